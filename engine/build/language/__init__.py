"""The language of Dockerfiles, as BuildKit reads it. Pure: text in, values, errors and warnings out.

source         a file's lines, places in them, errors that show them      model     what a Dockerfile says, as values
lines          bytes → lines → instructions' texts with places            words     texts → words
directives     syntax, escape, check                                      heredocs  here-documents
flags          an instruction's flags                                     mounts    RUN --mount, --device
line           an instruction, as far as all are alike             values    times, sizes, yes and no
instructions   an instruction's text → its value                          parsing   parse, onbuild
expansion      variables, quotes, escapes in a word                       pattern   ${name#pattern} and its kin
expanding      an instruction with its variables replaced                ports     EXPOSE; signals: STOPSIGNAL
ignore         .dockerignore                                              ignore_patterns  its patterns
scope          which variables an instruction sees                       commands  what RUN, CMD and so on start
suggestions    the name that may have been meant
"""

from engine.build.language.expanding import expanded
from engine.build.language.expansion import expand, expand_words, used_variables
from engine.build.language.ignore import IgnoreRules
from engine.build.language.parsing import onbuild, parse
from engine.build.language.source import DockerfileError, Location

__all__ = [
    "DockerfileError",
    "IgnoreRules",
    "Location",
    "expand",
    "expand_words",
    "expanded",
    "onbuild",
    "parse",
    "used_variables",
]
