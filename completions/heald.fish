# Completion of heald(1) for fish. The words and options are those that heald itself prints.

# The regions of this host, or with "all" whatever heald gc lists; with a name the objects in it.
function __heald_names
    switch "$argv"
        case all
            heald ls 2>/dev/null | awk 'NR > 1 && /^[^ ]/ { print $1 }'
        case region
            heald ls 2>/dev/null | awk '/^\// { print $1 }'
        case '*'
            heald ls $argv 2>/dev/null | awk '/^  / { print $1 }'
    end
end

# The back ends or the engines, whichever the argument names, that this system has.
function __heald_features
    heald backends 2>/dev/null |
        awk -v title="$argv" '/^[^ ]/ { on = index($0, title) }
            on && /^  / && $2 != "no" { print $1 }'
end

# The arguments of the command before the cursor, without options and their values.
function __heald_arguments
    set -l words (commandline -opc)
    set -l options (heald help --plain $words[2] 2>/dev/null)
    set -l max 999 # after so many, options are those of the program
    switch "$words[2]"
        case aio
            set max 1
        case lock reply
            set max 2
        case sem
            set max 3
    end
    set -l found
    set -l is_literal 0
    set -l is_value 0
    for word in $words[3..]
        if test $is_value = 1
            set is_value 0
        else if not string match -qr -- '^-.' $word
            set -a found $word
        else if test $is_literal = 1 -o (count $found) -ge $max
            set -a found $word
        else if test "$word" = --
            set is_literal 1
        else
            set -l letter (string replace -r -- '^-[^-]*([^-])$' '-$1' $word)
            string match -qr -- "^$letter\t[A-Z]" $options; and set is_value 1
        end
    end
    set -q found[1]; and printf '%s\n' $found
end

# What may come next as an argument.
function __heald_next
    set -l command (commandline -opc)[2]
    set -l arguments (__heald_arguments)
    set -l token (commandline -ct)
    switch "$command "(count $arguments)
        case 'ls *' 'top *' 'locks *' 'repair 0' 'lock 0' 'sem 0' 'send 0' 'recv 0' 'pipe 0' 'pub 0' \
            'sub 0' 'call 0' 'reply 0'
            __heald_names region
        case 'bridge 0' 'bridge 1'
            printf '%s\n' queue: topic: nats: jetstream:
        case 'gc *'
            __heald_names all
        case 'repair *'
            __heald_names $arguments[1]
        case 'aio 0' 'lock 1' 'reply 1' 'sem 2'
            complete -C "$token"
        case 'aio *'
            complete -C (string join ' ' -- (string escape -- $arguments) "$token")
        case 'lock *' 'reply *'
            complete -C (string join ' ' -- (string escape -- $arguments[2..]) "$token")
        case 'sem 1'
        case 'sem *'
            complete -C (string join ' ' -- (string escape -- $arguments[3..]) "$token")
        case 'serve 0' 'demo 0'
            __fish_complete_directories "$token" ''
        case 'help 0'
            heald help --plain | string match -r '^[a-z].*' | string replace \t\t \t
    end
end

# Is the command one of the arguments?
function __heald_is
    contains -- "$(commandline -opc)[2]" $argv
end

complete -c heald -f
for row in (heald help --plain 2>/dev/null)
    set -l command (string split \t -- $row)
    if string match -qr '^--' -- $command[1]
        complete -c heald -n '__heald_is ""' -l (string sub -s 3 -- $command[1]) -d $command[3]
        continue
    else if string match -qr '^-' -- $command[1]
        complete -c heald -n '__heald_is ""' -s (string sub -s 2 -- $command[1]) -d $command[3]
        continue
    end
    complete -c heald -n '__heald_is ""' -a $command[1] -d $command[3]
    complete -c heald -n "__heald_is $command[1]" -a '(__heald_next)'
    for option_row in (heald help --plain $command[1])
        set -l option (string split \t -- $option_row)
        set -l kind -l (string sub -s 3 -- $option[1])
        string match -qr '^--' -- $option[1]; or set kind -s (string sub -s 2 -- $option[1])
        switch "$command[1] $option[1]"
            case 'serve --backend'
                set -a kind -x -a '(__heald_features "back ends")'
            case 'serve -e' 'serve --engine'
                set -a kind -x -a '(__heald_features engines)'
            case '*'
                test "$option[2]" = FILE; and set -a kind -r -F
                test -n "$option[2]" -a "$option[2]" != FILE; and set -a kind -x
        end
        complete -c heald -n "__heald_is $command[1]" $kind -d $option[3]
    end
end
