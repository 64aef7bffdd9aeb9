# Completion of heald(1) for bash. The words and options are those that heald itself prints.

# The regions of this host, or with "all" whatever heald gc lists; with a name the objects in it.
_heald_names()
{
    case $1 in
    region) "$heald" ls 2>/dev/null | awk '/^\// { print $1 }' ;;
    all) "$heald" ls 2>/dev/null | awk 'NR > 1 && /^[^ ]/ { print $1 }' ;;
    *) "$heald" ls "$1" 2>/dev/null | awk '/^  / { print $1 }' ;;
    esac
}

# Completes word "$2" from the lines of "$1", which anybody may have named: neither compgen -W, which
# expands them, nor the word on the command line may run them.
_heald_words()
{
    local line
    COMPREPLY=()
    while read -r line; do
        [[ $line && $line == "$2"* ]] && COMPREPLY+=("$(printf %q "$line")")
    done <<<"$1"
}

# The back ends or the engines, whichever "$1" names, that this system has.
_heald_features()
{
    "$heald" backends 2>/dev/null |
        awk -v title="$1" '/^[^ ]/ { on = index($0, title) } on && /^  / && $2 != "no" { print $1 }'
}

# The value of an option. It may stand after an equals sign: bash replaces what follows that.
_heald_value()
{
    local features=
    case "$command $1" in
    serve\ --backend) features=$(_heald_features 'back ends') ;;
    serve\ -e | serve\ --engine) features=$(_heald_features engines) ;;
    serve\ -o | serve\ --log | aio\ --library)
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -f -- "$2"))
        return
        ;;
    esac
    COMPREPLY=($(compgen -W "$features" -- "$2"))
}

_heald_name()
{
    case $word in
    file:*)
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -f -- "${word#file:}"))
        ;;
    *) _heald_words "$(_heald_names "$1")" "$word" ;;
    esac
}

# Another program, from word $1 on.
_heald_program()
{
    if declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif (($1 == last)); then
        COMPREPLY=($(compgen -c -- "$word"))
    else
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}

# The next argument of the command, which has `count` already; the first is word `first`.
_heald_argument()
{
    case "$command $count" in
    ls\ * | top\ * | locks\ * | repair\ 0 | lock\ 0 | sem\ 0 | send\ 0 | recv\ 0 | pipe\ 0 | pub\ 0 | sub\ 0 | \
        call\ 0 | reply\ 0) _heald_name region ;;
    bridge\ [01])
        compopt -o nospace 2>/dev/null
        _heald_words 'queue: topic: nats: jetstream:' "$word"
        ;;
    gc\ *) _heald_name all ;;
    repair\ *) _heald_words "$(_heald_names "$name")" "$word" ;;
    aio\ 0 | lock\ 1 | reply\ 1 | sem\ 2) _heald_program "$last" ;;
    serve\ 0 | demo\ 0)
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -d -- "$word"))
        ;;
    help\ 0) COMPREPLY=($(compgen -W "$("$heald" help --plain | grep -o '^[a-z]*')" -- "$word")) ;;
    esac
}

# What the words between the command and the cursor are.
_heald_parse()
{
    local i previous
    for ((i = 2; i < last; i++)); do
        previous=${words[i]}
        if [[ $option ]]; then
            option=
        elif [[ $is_literal ]] || [[ $previous != -?* ]]; then
            name=${name:-$previous}
            ((count++))
            case "$command $count" in
            aio\ 1 | lock\ 2 | reply\ 2 | sem\ 3) program=$i && return ;;
            esac
        elif [[ $previous == -- ]]; then
            is_literal=yes
        elif [[ $previous == -[!-]* ]]; then
            option=-${previous: -1}
            [[ $'\n'$options == *$'\n'$option$'\t'[A-Z]* ]] || option=
        else
            option=$previous
            [[ $'\n'$options == *$'\n'$option$'\t'[A-Z]* ]] || option=
        fi
    done
}

_heald()
{
    local IFS=$' \t\n' heald=${COMP_WORDS[0]} line=${COMP_LINE:0:COMP_POINT}
    local words word last command options option= count=0 name= program= is_literal=

    read -ra words <<<"$line"
    [[ $line == *[[:blank:]] ]] && words+=("")
    last=$((${#words[@]} - 1)) word=${words[last]} command=${words[1]}
    COMPREPLY=()
    if ((last < 2)); then
        COMPREPLY=($(compgen -W "$("$heald" help --plain 2>/dev/null | cut -f 1)" -- "$word"))
        return
    fi
    options=$("$heald" help --plain "$command" 2>/dev/null) || return
    _heald_parse
    if [[ $program ]]; then
        _heald_program "$program"
    elif [[ $option ]]; then
        _heald_value "$option" "$word"
    elif [[ ! $is_literal && $word == --*=* ]]; then
        _heald_value "${word%%=*}" "${word#*=}"
    elif [[ ! $is_literal && $word == -* ]]; then
        COMPREPLY=($(compgen -W "$(cut -f 1 <<<"$options")" -- "$word"))
    else
        _heald_argument
    fi
}

complete -F _heald heald
