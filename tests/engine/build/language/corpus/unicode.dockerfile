# Überschrift
FROM a AS b
LABEL größe="中文 ✓" 名=x
RUN echo "naïve — ✓" \
  && echo 中文
COPY <<ŷ /ŷ
ünï $x
ŷ
COPY ["ä", "/ö/"]
ENV a=" b" c=d
