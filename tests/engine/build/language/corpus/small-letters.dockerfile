from a as b
run x
Copy x y
maintainer  Some  Body <a@b>
label a=b
expose 3000-3005/udp 80 $PORT
user root : x
workdir  a b
stopsignal  9
