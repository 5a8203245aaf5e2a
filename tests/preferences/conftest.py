"""A sheet of the phantom's reports: two systems that leave sentences out and put foreign ones in."""

import pytest

from orapo.data.phantom import PhantomConfig, draw_study
from orapo.evaluation.inputs import Reference
from orapo.preferences.candidates import candidates
from orapo.preferences.pairing import PairingOptions, make_sheet
from orapo.preferences.simulated import simulated_system

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
    right = {study: one.report for study, one in truth.items()}
    return {
        "careful": simulated_system(right, left_out=0.2, foreign=0.1, seed=0),
        "wild": simulated_system(right, left_out=0.4, foreign=0.4, samples=3, seed=1),
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
