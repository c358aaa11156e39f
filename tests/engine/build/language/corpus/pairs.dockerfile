ARG a b= c=1 d="x y" e='$f'
FROM x
ARG one
ARG two=2 three="3 3" four
ENV a=1
ENV a=1 b="2 \" 2" c='3 $a' d=4\ 4 e=$a f= g="" h=i=j
ENV old form with   spaces and "quotes"
ENV	tabbed	x
ENV k "v"
LABEL a=b "c d"="e f" g.h-i=$x
LABEL old style
LABEL version="1.0" multi="line \
continues"
ENV trail=\
ARG t=\ 
