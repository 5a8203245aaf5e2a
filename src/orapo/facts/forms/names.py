"""What the name of a field, or how a sentence begins, says of what stands behind it.

"Options: edema, effusion" says nothing of the film, "Excluded: edema" denies, "Prior: edema" is of another day.
"""

from __future__ import annotations

import re
from typing import Final

LISTED: Final = re.compile(
    r"(?:please |kindly )?(?:label|classify|grade|rate|mark|tick|select|choose|annotate|decide|predict|(?:report on|describe|state|answer)(?= (?:\w+ ){0,3}(?:following|given)\b))(?: whether| if| for| on| each of| any of| one of| the presence of| from)*(?: the| these| this)?"
    r"(?: following(?! is| are)| (?:following |given )?(?:findings?|labels?|conditions?|patholog(?:y|ies)|abnormalit(?:y|ies)|diseases?|options?|items?|classes|categories))(?: below)?[\s:]*\Z"
    r"|(?:please )?(?:evaluate|assess|check|screen|look|search|rule out|r/o)(?: for)?[\s:]*\Z"
    r"|(?:the )?(?:(?:things|findings|conditions|points|items|diagnos[ei]s|what|signs|abnormalities|diseases|pathologies) to (?:look for|report|check|exclude|rule out|consider|look out for|watch for|mention|assess|describe|remember|search for|find|detect|classify|label)"
    r"|check-?list(?: items)?|key ?words?|topics?|review areas?|(?:common )?pitfalls|mnemonic|glossary|definitions?|syllabus|learning (?:points|objectives)|search terms?|synonyms?|quer(?:y|ies)|causes|risk factors|(?:label|class|category|finding|disease|pathology|column|field) names)[\s:]*\Z"
    r"|(?:the |all )?(?:[\w-]+ ){0,3}?(?:candidates|options|choices|classes|labels|categories|tasks|legend|prompt|vocabulary|enum|schema"
    r"|ontology|codebook|key)(?: names?| list| set)?(?: considered| include| are| were| used| available| to choose from| of interest)*[\s:]*\Z"
    r"|(?:the following |these )?(?!diagnos)(?:[\w-]+ )?(?:were |are |was )?(?:considered|assessed|evaluated|checked|screened|looked for"
    r"|searched for|scored|rated|reviewed)(?: for| labels?| findings?)?[\s:]*\Z",
    re.IGNORECASE,
)
"""Names of what was looked for, whether it was found or not: "Options", "Labels considered"."""
TASKS: Final = re.compile(
    r"(?:the )?(?:\w+ to \w+|review areas?|causes|check-?list(?: items)?|topics?)", re.IGNORECASE
)
"""Lists of what is to be done, which in a report hold what was found as well."""
AT_HAND: Final = re.compile(
    r"\b(?:left|right|small|large|mild|moderate|severe|is|are|seen|noted|new|unchanged|\d+(?:\.\d+)? ?[cm]m)\b",
    re.IGNORECASE,
)
"""What says of a finding which one it is, or how."""
ASSERTED: Final = re.compile(
    r"\b(?:predict|assign|final|positive|negative|absent|detected|identified|output|present|selected)|\Alabels?\s*\Z",
    re.IGNORECASE,
)
LOOKED_FOR: Final = re.compile(
    r"(?:(?:the )?(?:assessment|evaluation|detection|presence|status|result|answer|search|screen(?:ing)?|test(?:ing)?|review|label|finding)s? (?:of|for|regarding)"
    r"|(?:now |i am |let me |let's )?(?:check|look|search|screen|test|evaluat|assess)(?:e|ing|ed|s)?(?: the (?:film|image|x-?ray|lungs?))?(?: for| whether there is)"
    r"|(?:check|evaluat|assess)(?:e|ing|ed|s)?(?=\s)(?!\s+for)|(?:identify|detect|determine|describe|decide|confirm)(?: the (?:presence|severity|degree)(?: or absence)? of| (?:whether|if)(?: there (?:is|are))?)?"
    r"|with (?:regard|respect) to|regarding|as (?:for|to)|concerning)"
    r"\s+(?!(?:the )?following|(?:the )?findings?\b|these\b|this\b)(?:(?:any|the|an?|possible|signs of|evidence of)\s+)*",
    re.IGNORECASE,
)
"""How the name of what was looked for begins: "Assessment of edema: absent"."""
LEGEND: Final = re.compile(
    r"(?<!\w)(?:1|x|y|p|\+|\[x\]|✓)[ \t]*(?:=|:|means|for)[ \t]*(?:present|yes|positive|true|seen)\W{1,4}(?:and )?(?:0|n|a|-|\[ \]|\[\]|blank)[ \t]*(?:=|:|means|for)[ \t]*(?:absent|no|negative|false|not (?:present|seen))\b"
    r"|(?<!\w)(?:0|n|a|-|\[ \])[ \t]*(?:=|:|means)[ \t]*(?:absent|no|negative|false|not (?:present|seen))\W{1,4}(?:and )?(?:1|x|y|p|\+|\[x\])[ \t]*(?:=|:|means)[ \t]*(?:present|yes|positive|true|seen)\b",
    re.IGNORECASE,
)
"""The key of a template's answers: "1 = present, 0 = absent"."""
DEFINED: Final = re.compile(
    r"(?:an?|the|one of(?: the)?|any) (?:[a-z]+ ){0,3}?(?:(?:finding|sign|feature|complication|consequence|abnormality|problem|manifestation)s? (?:in|on|that|which|seen)\b(?! (?:on |in )?(?:the|this|today|current|note)\b)"
    r"|(?:label|term|word|disease|condition|disorder|infection|inflammation|syndrome|emergency)s?\b(?! (?:is|was|seen)\b))"
    r"|(?:the )?(?:medical |radiological )?term for\b|(?:when|where|occurs|happens) ",
    re.IGNORECASE,
)
"""An answer that says what its finding is in general: "Edema: a finding that may be seen in heart failure"."""
GROUP: Final = re.compile(
    r"(?:[a-z]+ )?(?:(?:positive|negative|present|absent|excluded|detected|identified) (?:findings?|abnormalities|labels?)"
    r"|(?:findings?|abnormalities) (?:not )?(?:present|absent|seen|identified|detected|excluded|ruled out)|positives|negatives)\Z",
    re.IGNORECASE,
)
"""Names that answer for a list, and never for the line above them: "Significant negatives"."""
OPTIONS: Final = re.compile(r"\s*[(\[](?P<said>[^()\[\]]{1,50})[)\]]\s*\Z")
"""What a name's answer may be, behind it: "Edema (yes/no)"."""
REJECTED: Final = re.compile(
    r"(?<!not )(?<!not been )\b(?:excluded|rejected|ruled[- ]out|refuted|discarded|dismissed|denied|eliminated|negated)\b",
    re.IGNORECASE,
)
"""Names of lists of what is not there."""
EARLIER: Final = re.compile(
    r"(?:on |the )?(?:prior|previous|previously|old|older|last|earlier|yesterday|before|past|comparison|then)(?: (?:films?|stud(?:y|ies)|exams?|images?"
    r"|x-?rays?|radiographs?|cxr|day|week|month|year|findings?))?(?: \([^()]*\))?\Z",
    re.IGNORECASE,
)
"""Names of another time: "Prior: large effusion. Current: none."."""
CODES: Final = re.compile(
    r"(?:icd|cpt|snomed|loinc)\b|(?:resource ?type|schema(?: version)?|(?:model |report )?version|model(?: name)?|time ?stamp|language|modality)\Z|(?:example|sample|template|mock|dummy)\b.*|clinical (?:concern|suspicion|question|problem|details|information|data|diagnosis)\Z|.*\bcodes?\Z|(?:ordering|admitting|admission|referring|discharge|billing|pre-?op\w*) (?:diagnos[ei]s|dx|indication)\Z",
    re.IGNORECASE,
)
"""Names of what is said for the bill or on the order, not of the film."""
DIFFERENTIAL: Final = re.compile(
    r"(?:ddx|dd|diff\.?|differentials?|differential (?:diagnos[ei]s|considerations?)|diagnos[ei]s (?:considered|to consider)|considerations?)\Z",
    re.IGNORECASE,
)
PROMPT: Final = re.compile(
    r"[\s\"'(*-]*(?:\d{1,2}[.)] *)?(?:(?:is|are|was|were)(?! (?:this|that|it|these|those)\b)|has|have|any|which"
    r"|(?:does|do|did)(?! (?:this|that|it|these|those) (?:represent|reflect|suggest|indicate|mean))"
    r"|what (?:finding|abnormalit|disease|label|patholog)\w*|(?:can|could) (?:you|we|one))\b",
    re.IGNORECASE,
)
"""A question that asks the reader: open, it says nothing. "Pneumonia?" and "Could this be edema?" wonder."""
PROSE_LIST: Final = re.compile(
    r"(?:the )?(?:[\w-]+ ){0,2}(?:labels|classes|categories|options|candidates)(?: names)? (?:include|considered|are|were)\b",
    re.IGNORECASE,
)
"""A sentence that says what was looked for: "CheXpert labels include edema and fracture."."""
ALL_DENIED: Final = re.compile(
    r"[\s\"'*(-]*(?:(?:all|each|every one|both) of (?:the above|these|those|them)(?: [a-z]+)? (?:is|are|was|were|has been|have been)"
    r" (?:absent|negative|false|untrue|wrong|incorrect|ruled out|excluded|denied|not [a-z]+)"
    r"|none of (?:this|that|it|the above|the foregoing) (?:is|was) (?:true|correct|right|present|seen|so|the case|real)"
    r"|(?:all of this|all this|everything above|all the above|the above) (?:is|are) (?:all )?(?:false|untrue|wrong|incorrect|not true|not the case|not so|not present|absent))[\s.!\"')]*\Z",
    re.IGNORECASE,
)
"""Takes back all that was said before it."""
