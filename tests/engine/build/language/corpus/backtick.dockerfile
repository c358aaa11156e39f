# escape=`

FROM mcr.example.com/windows/servercore
SHELL ["powershell", "-command"]
RUN dir C:\ `
  && echo `"quoted`" C:\Temp\
COPY testfile.txt c:\
ENV path=c:\\x dir=C:\Users\`$USER
WORKDIR C:\app
RUN ["cmd", "/c", "dir C:\\"]
