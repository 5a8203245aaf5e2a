"""The phantom: seeded synthetic frontal chest films with reports (docs/phantom.md).

For demos, tests and benchmarks where no patient data may be used. It is no model of disease.
"""

from orapo.data.phantom.config import DIFFICULTIES, Difficulty, PhantomConfig
from orapo.data.phantom.findings import PREVALENCE, DrawnFinding
from orapo.data.phantom.folder import VERSION as PHANTOM_VERSION
from orapo.data.phantom.folder import write_phantom
from orapo.data.phantom.sheet import contact_sheet
from orapo.data.phantom.study import PhantomStudy, draw_study

__all__ = [
    "DIFFICULTIES",
    "PHANTOM_VERSION",
    "PREVALENCE",
    "Difficulty",
    "DrawnFinding",
    "PhantomConfig",
    "PhantomStudy",
    "contact_sheet",
    "draw_study",
    "write_phantom",
]
