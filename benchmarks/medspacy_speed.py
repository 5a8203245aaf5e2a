"""Reports a second of medspaCy; called by facts_speed.py, in medspaCy's own environment."""

import json
import sys
import time
from importlib.metadata import version

import medspacy
from loguru import logger
from medspacy.target_matcher import TargetRule


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    logger.remove()  # PyRuSH writes a line a sentence at level DEBUG, which would slow it
    # The default pipeline: medical tokenizer, sentences by PyRuSH, targets by rule, ConText for negation and doubt.
    pipeline = medspacy.load()
    matcher = pipeline.get_pipe("medspacy_target_matcher")
    matcher.add([TargetRule(phrase, "FINDING") for phrase in job["phrases"]])
    pipeline("No effusion.")
    start = time.process_time()
    for text in job["texts"]:
        pipeline(text)
    seconds = time.process_time() - start
    rate = len(job["texts"]) / seconds
    print(json.dumps({"reports_per_second": rate, "version": version("medspacy")}))


if __name__ == "__main__":
    main()
