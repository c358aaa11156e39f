# syntax = docker/dockerfile:1.7-labs
# check = skip=JSONArgsRecommended;error=true
FROM a
RUN one \
  two
RUN <<E
x
	y
E
ENV a=b

CMD x
