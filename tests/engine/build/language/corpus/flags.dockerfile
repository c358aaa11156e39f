FROM --platform=linux/arm64 a AS x.y_z-1
FROM --platform="linux/$TARGETARCH" a
COPY --from=x.y_z-1 --chown="a b:c" --chmod=u=rwX,go=rX --link=false --parents=TRUE a/./b/*.c /d/
COPY --exclude=a --exclude="b c" --exclude=!d . .
COPY -- --odd /x
COPY --link -- -a /x
ADD --checksum=sha256:24454f830cdb571e2c4ad15481119c43b3cafd48dd869a9b2945d1036d1dc68d https://example.com/a.tar /a
ADD --keep-git-dir=true https://example.com/r.git#v1:docs /r
ADD --unpack=false --chown=$U --link a.tar.gz /
RUN --network=none --security=insecure x
RUN --network=host --device=vendor.com/gpu=all,required x
RUN --mount=type=cache,id=apt,target=/var/cache,sharing=private,mode=0755,uid=0,gid=5,ro x
RUN --mount=type=tmpfs,target=/t,size=64m --mount=type=ssh,id=k,mode=0600 x
RUN --mount=type=secret,src=a,dst=/s,uid=1 --mount=type=secret,target=/run/b,required=true x
RUN --mount=target=. --mount=from=x,rw=true,src=/a,destination=/b --mount=type=bind,readwrite=false,dst=/c x
RUN --mount=type=cache,\"target=/a,b\" x
RUN --mount=type=cache,target=$DIR,id="x y" x
