"""Generation with vLLM, for GPUs; the same samples in, the same `Sample` out.

Written after vLLM's documented offline API (``LLM.generate`` with ``multi_modal_data`` and a
``SamplingParams`` a prompt). Its random numbers are its own: with the same seed it writes other
samples than transformers, but the same ones again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from orapo.data.conversation import user_message
from orapo.data.films.images import shown
from orapo.errors import MissingExtraError, OrapoError
from orapo.generation.reports import Decoding, Sample, placeholder_tokens
from orapo.models.chat_templates import begins_twice, check_films, prepare_processor
from orapo.models.finite import not_finite_in
from orapo.models.hub import find_model
from orapo.models.whole import check_intact

_NEVER = -100.0
"""What is added to the logit of a token that has no place in a report; the least that is allowed."""


class VllmWriter:
    """Writes batches of reports.

    Args:
        name: Folder of a checkpoint, or its name on the hub.
        decoding: How.
        most_films: Most films that a study shows.
        remote_code: Run code that comes with the checkpoint.

    Raises:
        MissingExtraError: vLLM is not installed.
        OrapoError: The checkpoint is torn, its weights are not finite (of a folder's, not of the hub's), or its
            chat template is none for reports.
    """

    def __init__(
        self, name: str, decoding: Decoding, *, most_films: int = 1, remote_code: bool = False
    ) -> None:
        try:
            import vllm
        except ModuleNotFoundError as error:
            raise MissingExtraError("generating with vLLM", "vllm") from error
        from transformers import AutoProcessor, GenerationConfig

        self.version = str(vllm.__version__)
        self._parameters = vllm.SamplingParams
        self._decoding = decoding
        self._name = name
        check_intact(name)
        find_model(name)
        broken = not_finite_in(Path(name))  # vLLM keeps its weights in a process of its own
        if broken is not None:
            raise OrapoError(f"{name}: weights are not finite numbers, for example in {broken}")
        processor = AutoProcessor.from_pretrained(name, trust_remote_code=remote_code)
        self._processor = prepare_processor(processor, name)
        self._begins_twice = begins_twice(self._processor)
        self._llm = vllm.LLM(
            model=name,
            trust_remote_code=remote_code,
            limit_mm_per_prompt={"image": max(1, most_films)},
            seed=decoding.seed,
        )
        config = GenerationConfig.from_pretrained(name)
        suppressed = placeholder_tokens(config.eos_token_id, self._processor.tokenizer)
        self._bias = dict.fromkeys(suppressed, _NEVER)

    def __call__(
        self,
        films: Sequence[Sequence[Image.Image]],
        prompts: Sequence[str],
        study_ids: Sequence[str],
    ) -> list[list[Sample]]:
        """Return the samples of each study of a batch; see `orapo.generation.sample_reports`."""
        asked: list[dict[str, Any]] = []
        parameters: list[Any] = []
        for study, prompt, name in zip(films, prompts, study_ids, strict=True):
            check_films(self._processor, self._name, len(study))
            text = self._processor.apply_chat_template(
                user_message(prompt, len(study)), add_generation_prompt=True, tokenize=False
            )
            if self._begins_twice:
                text = text.removeprefix(self._processor.tokenizer.bos_token)
            # vLLM's own `n` would make a sample depend on how many there are
            for sample in range(self._decoding.samples):
                images = [shown(film) for film in study]
                asked.append({"prompt": text, "multi_modal_data": {"image": images}})
                parameters.append(self._sampling(name, sample))
        outputs = self._llm.generate(asked, sampling_params=parameters, use_tqdm=False)
        written = [self._sample(output.outputs[0]) for output in outputs]
        each = self._decoding.samples
        return [written[start : start + each] for start in range(0, len(written), each)]

    def _sampling(self, study_id: str, sample: int) -> Any:
        import numpy as np

        from orapo.generation.draws import study_seed

        decoding = self._decoding
        seed = int(
            np.random.default_rng(study_seed(decoding.seed, study_id, sample)).integers(2**31)
        )
        return self._parameters(
            temperature=decoding.temperature,
            top_p=decoding.top_p,
            max_tokens=decoding.max_new_tokens,
            seed=seed,
            logprobs=0 if decoding.temperature > 0 else None,  # 0: of the tokens drawn alone
            logit_bias=self._bias or None,
        )

    def _sample(self, completion: Any) -> Sample:
        total, count = completion.cumulative_logprob, len(completion.token_ids)
        sampled = self._decoding.temperature > 0 and total is not None and count > 0
        return Sample(
            completion.text.strip(),
            float(total) / count if sampled else None,
            cut=completion.finish_reason == "length",
        )
