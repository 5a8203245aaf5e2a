"""A sheet of the phantom's reports: two systems that leave sentences out and put foreign ones in."""

import random

import pytest

from orapo.data.phantom import PhantomConfig, draw_study
from orapo.evaluation.inputs import Reference
from orapo.preferences.candidates import candidates
from orapo.preferences.pairing import PairingOptions, make_sheet

STUDIES = 400


@pytest.fixture(scope="session")
def truth():
    """References of the phantom's studies."""
    studies = [draw_study(0, at, PhantomConfig(size=32)).study for at in range(STUDIES)]
    return {
        study.study_id: Reference(
            study.study_id, study.labels, "given", study.report, patient_id=study.patient_id
        )
        for study in studies
    }


@pytest.fixture(scope="session")
def systems(truth):
    """Reports of two systems: careful, of which there is one a study, and wild, with three."""
    draw = random.Random(0)
    sentences = {name: one.report.split(". ") for name, one in truth.items()}
    every = [sentence for each in sentences.values() for sentence in each]

    def written(study, left_out, foreign):
        kept = [one for one in sentences[study] if draw.random() > left_out]
        kept += [draw.choice(every) for _ in range(4) if draw.random() < foreign]
        draw.shuffle(kept)
        return ". ".join(one.strip(". \n") for one in kept or ["No acute disease"]) + "."

    return {
        "careful": {study: [written(study, 0.2, 0.1)] for study in truth},
        "wild": {study: [written(study, 0.4, 0.4) for _ in range(3)] for study in truth},
    }


@pytest.fixture(scope="session")
def studies(systems, truth):
    """Candidates with their scores."""
    return candidates(systems, truth, "cosine")


@pytest.fixture(scope="session")
def sheet(studies, truth):
    """300 pairs, 30 of them shown twice."""
    patients = {name: one.patient_id for name, one in truth.items()}
    return make_sheet(studies, {}, patients, PairingOptions(pairs=300), "cosine")
