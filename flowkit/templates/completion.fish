# fish completion for flowkit. Each answer is cut at its first comma alone: selections and descriptions have more.
function __flowkit_complete
    set -lx _FLOWKIT_COMPLETE fish_complete
    set -lx COMP_WORDS (commandline --cut-at-cursor --current-process)
    set -lx COMP_CWORD (commandline --cut-at-cursor --current-token)
    for answer in (flowkit 2> /dev/null)
        set -l part (string split --max 1 "," -- $answer)
        switch $part[1]
            case plain
                printf '%s\n' $part[2]
            case file
                __fish_complete_path $part[2]
            case dir
                __fish_complete_directories $part[2]
        end
    end
end

complete --no-files --command flowkit --arguments "(__flowkit_complete)"
