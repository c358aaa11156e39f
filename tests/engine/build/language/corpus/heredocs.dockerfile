FROM a
RUN <<EOF
set -e
echo "$HOME"   \
  more
# not a comment of the file
EOF
RUN <<-'SCRIPT'
	#!/usr/bin/env python3
	print("tabs go")
	SCRIPT
RUN python3 - <<ONE && cat <<"TWO" > /two
print(1)
ONE
$two
TWO
COPY <<nginx.conf <<-"motd" other.txt /etc/
server { listen $PORT; }
nginx.conf
	Welcome, $USER
	motd
COPY --chmod=0755 --chown=1:1 <<"run" /usr/bin/x
#!/bin/sh
run
ADD <<empty /empty
empty
RUN echo "a << b" '<<c' \<<d 1<<2x

2x
RUN 3<<FD cat
x
FD
RUN ["sh", "<<EOF"]
ONBUILD RUN <<EOT
later
EOT
ONBUILD COPY <<a /x
1
a
