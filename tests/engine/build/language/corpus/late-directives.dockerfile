# a comment
# escape=`
FROM a
RUN x `
RUN y
