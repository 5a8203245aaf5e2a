"""What holds for every class of model that can be trained, with its own chat template and processor.

One batch of OraPO with each of the tiny checkpoints of `checkpoints.py`: studies of one to three films.
"""

import json
import logging
import re
import shutil
from functools import partial

import pytest
import torch

from checkpoints import BUILDERS, CORPUS, SPARE
from orapo import OrapoError
from orapo.data.conversation import user_message
from orapo.generation import load_checkpoint
from orapo.models.shared_films import encode_films_once, film_encoder
from orapo.preferences import Preference
from orapo.training.method.answers import ChosenAnswers, check_answer
from orapo.training.method.experts import BETTER, WORSE, ExpertPairs, add_pairs
from orapo.training.trl_contract import image_tokens, select_vision, vision_fields
from small_runs import LORA, call, make_trainer, mixed, recipe, refusal, write_studies

KINDS = list(BUILDERS)
TRAINED_IN_FULL = {"qwen2.5-vl", "qwen3-vl", "smolvlm", "demo"}
"""By test_real_checkpoints.py."""


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    """Studies of up to three films, of different sizes."""
    return write_studies(tmp_path_factory.mktemp("uneven"), uneven=True)


@pytest.fixture(scope="module", params=KINDS)
def batch(request, checkpoints, uneven, tmp_path_factory):
    """A trainer, rows of its data set (two rollouts of each study) and TRL's batch of them."""
    folder = tmp_path_factory.mktemp(request.param)
    fields = {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 1}
    trainer = make_trainer(recipe(checkpoints(request.param), uneven, folder, **fields), mixed)
    rows = [trainer.train_dataset[i // 2] for i in range(8)]
    trainer.model.train()
    with torch.no_grad():
        given = trainer._generate_and_score_completions(rows)
    return trainer, rows, given


def words(trainer, ids, mask):
    tokenizer = trainer.processing_class.tokenizer
    return " ".join(tokenizer.decode(ids[mask.bool()], skip_special_tokens=True).split())


def prompt_alone(trainer, row):
    """What the model's own processor makes of one study, alone and without padding."""
    processor = trainer.processing_class
    text = processor.apply_chat_template(
        user_message(row["prompt"][0]["content"], len(row["images"])), add_generation_prompt=True
    )
    inputs = processor(images=[row["images"]], text=[text], return_tensors="pt")
    begin = processor.tokenizer.bos_token_id
    assert begin is None or (inputs["input_ids"] == begin).sum() == 1
    return inputs


@torch.no_grad()
def lone_logps(trainer, row, answer):
    """Log-probabilities of an answer's tokens by the model's own forward pass, of one row alone."""
    inputs = dict(prompt_alone(trainer, row))
    inputs.pop("labels", None)
    length, answer = inputs["input_ids"].shape[1], answer[None]
    inputs["input_ids"] = torch.cat([inputs["input_ids"], answer], dim=1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    for name in ("token_type_ids", "mm_token_type_ids"):
        if name in inputs:
            kind = 1 if trainer.model.config.model_type == "paligemma" else 0
            inputs[name] = torch.cat([inputs[name], torch.full_like(answer, kind)], dim=1)
    logits = trainer.model(**inputs).logits[0, length - 1 : -1]
    return logits.log_softmax(-1).gather(1, answer[0][:, None])[:, 0]


@torch.no_grad()
def report_logps(trainer, given, ids=None):
    """Mean log-probability a token of each row's report, in one padded batch."""
    ids = given["chosen_ids"] if ids is None else ids
    mask = given["chosen_mask"]
    sums = trainer._summed_logps(trainer.model, given, list(range(len(ids))), ids, mask)
    return sums / mask.sum(dim=1)


@torch.no_grad()
def token_logps(trainer, given):
    """Log-probability of each token of each row's report, (8, L), in one padded batch."""
    ids, mask = given["chosen_ids"], given["chosen_mask"]
    width, answer = given["prompt_ids"].shape[1], ids.shape[1]
    fields = select_vision(vision_fields(given), list(range(len(ids))), width, answer)
    with trainer._temperature_off():
        logps, *_ = trainer._get_per_token_logps_and_entropies(
            trainer.model,
            torch.cat([given["prompt_ids"], ids], dim=1),
            torch.cat([given["prompt_mask"], mask], dim=1),
            answer,
            **fields,
        )
    return logps


def test_what_is_learned_is_the_report(batch):
    """The templates of SmolVLM and Idefics3 made an empty report of a plain string."""
    trainer, rows, given = batch
    written = [
        words(trainer, *pair)
        for pair in zip(given["chosen_ids"], given["chosen_mask"], strict=True)
    ]
    assert written == [row["report"] for row in rows]
    ends = [
        ids[mask.bool()][-1]
        for ids, mask in zip(given["chosen_ids"], given["chosen_mask"], strict=True)
    ]
    assert {int(end) for end in ends} <= set(trainer.eos_token_ids)


def test_log_probabilities_are_those_of_a_forward_pass_of_one_row(batch):
    """Each token's: what one gains and another loses would not show in a report's mean."""
    trainer, rows, given = batch
    together, each = report_logps(trainer, given), token_logps(trainer, given)
    for place in (0, 2, 4, 7):  # of one, two, one and three films
        shown = given["chosen_mask"][place].bool()
        alone = lone_logps(trainer, rows[place], given["chosen_ids"][place][shown])
        torch.testing.assert_close(each[place][shown], alone, rtol=0, atol=1e-5)
        torch.testing.assert_close(together[place], alone.mean(), rtol=0, atol=1e-5)


@torch.no_grad()
def test_a_token_does_not_see_the_tokens_behind_it(batch):
    """PaliGemma's prefix sees itself whole; TRL takes an answer for a part of it."""
    trainer, _, given = batch
    answer = given["chosen_ids"][:1, :6]
    other = answer.clone()
    other[0, -1] = given["chosen_ids"][0, 1]
    assert other[0, -1] != answer[0, -1]
    fields = select_vision(vision_fields(given), [0], given["prompt_ids"].shape[1], 6)
    logps = [
        trainer._get_per_token_logps_and_entropies(
            trainer.model,
            torch.cat([given["prompt_ids"][:1], ids], dim=1),
            torch.cat([given["prompt_mask"][:1], torch.ones_like(ids)], dim=1),
            6,
            **fields,
        )[0]
        for ids in (answer, other)
    ]
    torch.testing.assert_close(logps[0][:, :-1], logps[1][:, :-1], rtol=0, atol=1e-5)
    assert logps[0][0, -1] != logps[1][0, -1]


def test_another_film_changes_the_log_probabilities(batch):
    trainer, rows, given = batch
    answer = given["chosen_ids"][0][given["chosen_mask"][0].bool()]
    own = lone_logps(trainer, rows[0], answer)
    film = rows[0]["images"][0].point(lambda value: 255 - value)
    other = lone_logps(trainer, {**rows[0], "images": [film]}, answer)
    assert (own - other).abs().max() > 1e-4


def test_each_film_of_a_study_changes_its_log_probabilities(batch):
    """The third as the first; of one it is tested above, and of the trainer's own batch below."""
    trainer, rows, given = batch
    answer = given["chosen_ids"][6][given["chosen_mask"][6].bool()]
    films = rows[6]["images"]
    assert len(films) == 3
    own = lone_logps(trainer, rows[6], answer)
    for place, film in enumerate(films):
        changed = [*films[:place], film.point(lambda value: 255 - value), *films[place + 1 :]]
        other = lone_logps(trainer, {**rows[6], "images": changed}, answer)
        assert (own - other).abs().max() > 1e-4, place


def test_what_is_learned_of_an_experts_pair_is_its_two_texts(batch):
    """By the same code as the report, but of texts that no report of the batch has."""
    trainer, rows, given = batch
    pair = ("Small right pleural effusion.", "The heart is clear. There is no lower left lobe.")
    fields = {"completion_ids": given["completion_ids"]}
    reference = partial(trainer._summed_logps, trainer.model, given)
    pairs = [*[None] * 6, pair, None]
    with torch.no_grad():
        add_pairs(fields, rows, pairs, trainer._chosen, 1.0, reference, trainer._pad_id)
    for side, text in zip((BETTER, WORSE), pair, strict=True):
        ids, mask = fields[f"{side}_ids"][6], fields[f"{side}_mask"][6]
        assert words(trainer, ids, mask) == text
        answer = ids[mask.bool()]
        assert int(answer[-1]) in trainer.eos_token_ids
        alone = lone_logps(trainer, rows[6], answer).sum()
        # of up to forty tokens, each within 1e-5
        torch.testing.assert_close(fields[f"{side}_ref"][6], alone, rtol=0, atol=4e-4)


def test_exchanged_films_change_the_rows_that_show_them_and_no_other(batch):
    trainer, _, given = batch
    order = [4, 1, 2, 3, 0, 5, 6, 7]  # two studies of one film each
    width, answer = given["prompt_ids"].shape[1], given["completion_ids"].shape[1]
    fields = select_vision(vision_fields(given), order, width, answer)
    own, other = report_logps(trainer, given), report_logps(trainer, {**given, **fields})
    changed = (own - other).abs() > 1e-5
    assert changed.tolist() == [place in (0, 4) for place in range(8)]


def test_a_prompt_has_the_image_tokens_that_its_processor_makes(batch):
    trainer, rows, given = batch
    image = trainer.model.config.image_token_id
    counts = (given["prompt_ids"] == image).sum(dim=1).tolist()
    alone = [int((prompt_alone(trainer, row)["input_ids"] == image).sum()) for row in rows]
    assert counts == alone
    assert all(counts)
    lengths = [prompt_alone(trainer, row)["input_ids"].shape[1] for row in rows]
    assert given["prompt_mask"].sum(dim=1).tolist() == lengths


@torch.no_grad()
def test_no_probability_is_left_for_a_placeholder(batch):
    """What a rollout is pushed down by goes to words."""
    trainer, rows, given = batch
    tokenizer = trainer.processing_class.tokenizer
    special = {number for number, one in tokenizer.added_tokens_decoder.items() if one.special}
    spare = set(range(len(tokenizer), trainer.model.get_output_embeddings().weight.shape[0]))
    assert len(spare) == (0 if "demo" in trainer.model.config.name_or_path else SPARE)
    placeholders = special | spare | image_tokens(trainer)
    placeholders -= set(trainer.eos_token_ids)
    assert trainer.model.config.image_token_id in placeholders
    inputs = {k: v for k, v in prompt_alone(trainer, rows[0]).items() if k != "labels"}
    chances = trainer.model(**inputs).logits[0, -1].softmax(-1)
    # Gemma 2 squeezes its logits to 30 and more below the others', whatever is added to them
    assert chances[sorted(placeholders)].max() < 1e-12
    sampled = given["completion_ids"][given["completion_mask"].bool()]
    assert not torch.isin(sampled, torch.tensor(sorted(placeholders))).any()


def test_equal_films_are_encoded_once(batch):
    trainer, _, given = batch
    encoder = film_encoder(trainer.model)
    rows = []
    tower = next(
        getattr(encoder, name)
        for name in ("vision_tower", "vision_model", "visual")
        if hasattr(encoder, name)
    )
    hook = tower.register_forward_pre_hook(
        lambda module, args, kwargs: rows.append(len(args[0] if args else kwargs["pixel_values"])),
        with_kwargs=True,
    )
    report_logps(trainer, given)
    shared = rows.pop()
    del encoder.get_image_features  # the class's own again
    plain = report_logps(trainer, given)
    assert shared <= rows.pop() / 2  # two rollouts of each study; equal tiles of a film
    assert encode_films_once(trainer.model)
    torch.testing.assert_close(report_logps(trainer, given), plain, rtol=0, atol=1e-5)
    hook.remove()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in TRAINED_IN_FULL])
def test_a_class_trains_resumes_and_generates(kind, checkpoints, manifest, tmp_path):
    adapter = LORA if KINDS.index(kind) % 2 else {}
    settings = {"save_strategy": "steps", "save_steps": 1, "dpo_tau": 1.0, **adapter}
    file = recipe(checkpoints(kind), manifest, tmp_path, **settings)
    call("train", "--config", file)
    run = tmp_path / "run"
    through, _ = load_checkpoint(run, device="cpu")
    base, _ = load_checkpoint(checkpoints(kind), device="cpu")
    assert through.state_dict().keys() == base.state_dict().keys()
    assert any(not v.equal(base.state_dict()[n]) for n, v in through.state_dict().items())
    (run / "checkpoint-2").rename(tmp_path / "gone")
    call("train", "--config", file, "--resume")
    again, _ = load_checkpoint(run, device="cpu")
    for name, value in through.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=0, atol=0, msg=name)
    out = tmp_path / "predictions.jsonl"
    options = ("--views", "all", "--max-new-tokens", 4)
    call("generate", "--model", run, "--data", manifest, "--out", out, *options)
    (row,) = [json.loads(line) for line in out.read_text().splitlines()]
    assert not row["error"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["smolvlm", "llava-next", "gemma3", "internvl", "lfm2-vl"])
@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_the_baselines_learn_the_report_too(
    kind, method, checkpoints, manifest, tmp_path, monkeypatch
):
    seen = []
    real = check_answer
    monkeypatch.setattr(
        "orapo.training.method.baselines.check_answer",
        lambda tokenizer, ids, text: (real(tokenizer, ids, text), seen.append(text)),
    )
    # a reward of nothing for whatever an untrained model writes: a pair of each study
    call("train", "--config", recipe(checkpoints(kind), manifest, tmp_path, method=method))
    assert seen[0] in CORPUS


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_paligemma_is_refused_where_trl_cannot_prepare_it(method, checkpoints, manifest, tmp_path):
    file = recipe(checkpoints("paligemma2"), manifest, tmp_path, method=method)
    assert "methods orapo and grpo train it" in refusal(file)


def test_a_template_that_drops_the_answer_stops_the_run(checkpoints):
    _, processor = load_checkpoint(checkpoints("smolvlm"), device="cpu")
    processor.chat_template = processor.chat_template.replace(
        "{% if line['type'] == 'text' %}", "{% if line['type'] == 'text' and loop.length > 1 %}"
    )
    answers = ChosenAnswers(processor, processor.tokenizer, {processor.tokenizer.eos_token_id}, {})
    with pytest.raises(OrapoError, match=r"of a report of 9 words.*something else \(0 words\)"):
        answers.tokens([user_message("Say.")], [CORPUS[0]])


def test_a_template_that_drops_a_pair_makes_no_trainer(checkpoints, manifest, tmp_path):
    """The first texts that are looked at are the reports; a pair's are others."""
    judged = Preference(
        "p", "s0", "p", (), CORPUS[1], "An old rib fracture.", "left", "r", "a", "b"
    )
    folder = tmp_path / "smolvlm"
    shutil.copytree(checkpoints("smolvlm"), folder)
    file = folder / "chat_template.jinja"
    template = file.read_text()
    changed = template.replace("{{line['text']}}", "{{ line['text'] | replace('old rib', '') }}")
    assert changed != template
    file.write_text(changed)
    with pytest.raises(OrapoError, match=r"of a report of 4 words.*something else"):
        make_trainer(
            recipe(folder, manifest, tmp_path, method="orapo+rlhf"),
            mixed,
            experts=ExpertPairs([judged]),
        )


@pytest.mark.parametrize("method", ["orapo", "sft", "dpo"])
def test_a_template_that_ends_answers_otherwise_than_rollouts_end_stops_the_run(
    method, checkpoints, manifest, tmp_path
):
    """Gemma 3 ends a turn by a token that is not the tokenizer's end; it has to be named as one."""
    folder = tmp_path / "gemma3"
    shutil.copytree(checkpoints("gemma3"), folder)
    file = folder / "generation_config.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps({**settings, "eos_token_id": settings["eos_token_id"][:1]}))
    said = refusal(recipe(folder, manifest, tmp_path, method=method))
    assert "ends an answer by <end_of_turn>, which is no end" in said


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_a_template_that_ends_no_answer_is_refused_where_trl_lays_it_out(
    method, checkpoints, manifest, tmp_path
):
    """LLaVA-1.5 would learn to write on and on; OraPO's trainer adds the end itself."""
    said = refusal(recipe(checkpoints("llava"), manifest, tmp_path, method=method))
    assert re.search(r"the chat template ends no answer.*put </s> behind", said)


@pytest.mark.parametrize("method", ["orapo", "sft", "dpo"])
@pytest.mark.parametrize(
    ("kind", "mark"),
    [
        ("smolvlm", "<end_of_utterance>"),
        ("smolvlm", "<image>"),
        ("qwen2.5-vl", "<|im_start|>"),
        ("gemma3", "<start_of_image>"),
    ],
)
def test_a_report_with_a_special_token_is_named_before_anything_is_trained(
    kind, mark, method, checkpoints, tmp_path
):
    manifest = write_studies(tmp_path)
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    rows[2]["report"] = f"Right lower lobe{mark} consolidation."
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = refusal(recipe(checkpoints(kind), manifest, tmp_path, method=method))
    assert re.search(rf"1 reports hold special tokens.*{re.escape(mark)}.*: s2", said)


def test_arguments_of_the_template_that_no_other_command_knows_are_refused(
    checkpoints, manifest, tmp_path
):
    options = {"chat_template_kwargs": {"add_vision_id": True}}
    file = recipe(checkpoints("qwen2.5-vl"), manifest, tmp_path, **options)
    assert "orapo generate would ask otherwise" in refusal(file)


def test_nothing_is_said_of_tokens_that_transformers_brings_into_line(
    checkpoints, manifest, tmp_path, monkeypatch
):
    """Of LLaVA, PaliGemma and LFM2-VL it says at each training that there are new PAD/BOS/EOS tokens."""
    heard = []
    log = logging.getLogger("transformers.trainer_utils")
    monkeypatch.setattr(log, "handle", lambda record: log.filter(record) and heard.append(record))
    monkeypatch.setattr(log, "level", logging.WARNING)
    log.warning("something else")
    call("train", "--config", recipe(checkpoints("llava"), manifest, tmp_path, max_steps=1))
    assert [record.msg for record in heard] == ["something else"]
