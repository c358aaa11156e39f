#!/usr/bin/env docker
# escape=`
# name is the comment of the argument
ARG name

# b builds
FROM a AS b
# one
# two
#
# three
RUN a \
 # inside
 # more
 b
#last
