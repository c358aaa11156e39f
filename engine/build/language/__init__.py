"""The language of Dockerfiles, as BuildKit reads it. Pure: text in, values, errors and warnings out.

source        places in a text, errors that show them     model            what a Dockerfile says, as values
lines         bytes → lines → instructions' texts         words            texts → words
line          an instruction, as far as all are alike     instructions     its text → its value
directives    syntax, escape, check                       flags            an instruction's flags
heredocs      here-documents                              mounts           RUN --mount, --device
parsing       parse, onbuild                              values           times, sizes, yes and no
expansion     variables, quotes, escapes in a word        pattern          ${name#pattern} and its kin
expanding     an instruction's variables replaced         ports, signals   what EXPOSE and STOPSIGNAL name
scope         which variables an instruction sees         commands         what RUN, CMD and so on start
ignore        .dockerignore                               ignore_patterns  one of its patterns
lint          what is likely wrong                        rules            the rules' names
text_lint     rules about the text                        stage_lint       rules that follow a stage
git_source    addresses of git repositories
places        where a warning points                      suggestions      the name that may have been meant
"""

from engine.build.language.expanding import expanded
from engine.build.language.expansion import expand, expand_words, used_variables
from engine.build.language.ignore import IgnoreRules
from engine.build.language.lint import Findings, Known, lint, violation
from engine.build.language.parsing import onbuild, parse
from engine.build.language.source import DockerfileError, Location
from engine.build.language.stage_lint import BaseImage

__all__ = [
    "BaseImage",
    "DockerfileError",
    "Findings",
    "IgnoreRules",
    "Known",
    "Location",
    "expand",
    "expand_words",
    "expanded",
    "lint",
    "onbuild",
    "parse",
    "used_variables",
    "violation",
]
