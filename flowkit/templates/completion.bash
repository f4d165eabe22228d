# bash completion for flowkit. The line is split at blanks alone: bash itself would cut taxi@champion and taxi:7.
_flowkit_completion() {
    local line="${COMP_LINE:0:COMP_POINT}" prefix="" words word mark part kind value
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    word="${words[${#words[@]} - 1]}"
    for mark in : = @; do
        [[ $COMP_WORDBREAKS == *"$mark"* && $word == *"$mark"* ]] || continue
        part="${word%"${word##*"$mark"}"}"
        ((${#part} > ${#prefix})) && prefix="$part"
    done
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            plain) COMPREPLY+=("${value#"$prefix"}") ;;
            file) compopt -o default 2> /dev/null ;;
            dir) compopt -o dirnames 2> /dev/null ;;
        esac
    done < <(COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) _FLOWKIT_COMPLETE=bash_complete "$1" 2> /dev/null)
}

complete -o nosort -F _flowkit_completion flowkit 2> /dev/null || complete -F _flowkit_completion flowkit
