FROM a
ONBUILD RUN make  $x
onbuild copy . /src
ONBUILD ENV a=b
ONBUILD ENTRYPOINT ["x"]
ONBUILD   ADD --chown=1 a b
ONBUILD RUN one \
  && two
ONBUILD RUN --mount=type=cache,target=/x y
ONBUILD HEALTHCHECK NONE
