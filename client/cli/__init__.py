"""`portside`: docker's words for a site of Portside, over REST and WebSockets.

main         words → a command, errors → one line and an exit code
catalog      every command, and the module that has it, loaded when it is asked for
shell        what a command works with: the site, its options, its output
contexts     sites and tokens in a file that only its owner reads
output       tables, times, sizes;  templates: --format
finding      names, ids and beginnings of ids → objects
terminal     a person's terminal on a session
progress     how far a job is;  building: how far a build is
commands/    the commands, by what they are about
"""
