FROM a
CMD ["a", "b c", "\"q\"", "\u00e9\n", "$HOME"]
CMD [ "spaced" , "x" ]
CMD []
CMD ['single']
CMD ["open"
CMD ["trail"] && x
CMD ["comma",]
CMD [a]
CMD  exec  --flag "x  y"
CMD
ENTRYPOINT \
  ["/entry", \
   "x"]
ENTRYPOINT []
RUN ["a"]
RUN [ -f x ] && y
RUN [[ -f x ]]
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
COPY ["a b", "c", "/d e/"]
ADD ["x y.tar", "/"]
HEALTHCHECK CMD ["x", "y"]
HEALTHCHECK NONE
HEALTHCHECK cmd x   y
