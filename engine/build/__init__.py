"""Images out of Dockerfiles.

language       text → typed instructions (pure)              planning     which stages are needed, and why
spec events    what is asked, told, answered                 draft        the image a stage becomes; metadata: ENV …
context trees  files that steps read                         contents     their digests, without times
stage          one stage, instruction by instruction         solving      all stages, side by side
layering       cache or make, once; cache: what was made     sealing      upper directory → layer
copying        COPY's rules; destination: where to           sandbox      RUN, on the kernel's side
reach          from where a host fetches                     git          repositories; git_step: ADD of one
builder        `Builder`: what the Engine gives              checks       lint rules, told with the result
"""
