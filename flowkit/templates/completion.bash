# bash completion for flowkit. The line is split at blanks alone: bash itself would cut taxi@champion and taxi:7.
_flowkit_completion() {
    local line="${COMP_LINE:0:COMP_POINT}" prefix="" quote="" words word mark part kind value
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    word="${words[${#words[@]} - 1]}"
    # A quote that is still open belongs to the shell: the word is what stands behind it.
    if [[ $word == [\'\"]* ]]; then
        quote="${word:0:1}"
        word="${word:1}"
        words[${#words[@]}-1]="$word"
    fi
    for mark in : = @; do
        [[ -z $quote && $COMP_WORDBREAKS == *"$mark"* && $word == *"$mark"* ]] || continue
        part="${word%"${word##*"$mark"}"}"
        ((${#part} > ${#prefix})) && prefix="$part"
    done
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            plain)
                COMPREPLY+=("${value#"$prefix"}")
                # What goes on behind name= and tag: is typed without a blank.
                [[ $value == *[=:] ]] && compopt -o nospace 2> /dev/null
                ;;
            file) compopt -o default 2> /dev/null ;;
            dir) compopt -o dirnames 2> /dev/null ;;
        esac
    done < <(COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) _FLOWKIT_COMPLETE=bash_complete "$1" 2> /dev/null)
}

complete -o nosort -F _flowkit_completion flowkit 2> /dev/null || complete -F _flowkit_completion flowkit
