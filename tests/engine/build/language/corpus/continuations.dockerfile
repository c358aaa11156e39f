# a comment

   # another, indented
FROM \
  a \
  AS b
RUN one && \
    # comment in between
    two && \

    three \   
    	&& four
RUN a \\
RUN b \\\
RUN c\
d
  RUN indented
RUN	tab	between
RUN "quotes \
  go on" 'x
ENV a=1 \
    # x
    b=2
CMD c \
