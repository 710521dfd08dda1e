# Checks what make was given and sets what a recipe needs of it; the Makefile sources this file.
# Everything comes through the environment: the shell never reads its text as part of a command.
# Sets: tier (its name, a folder of results/), config (Snakemake's options for it), chapters (their folders).
LC_ALL=C
refuse() {
    printf '%s = %s: %s\n' "$1" "$2" "$3" >&2
    exit 2
}

shipped=()
for path in config/*.yaml; do
    path=${path#config/}
    shipped+=("${path%.yaml}")
done

tier=
config=()
for name in "${shipped[@]}"; do
    [ "$TIER" != "$name" ] || tier=$name
done
if [ -n "$tier" ]; then
    [ "$tier" = standard ] || config=(--configfile "config/$tier.yaml")
elif [[ $TIER == [!-]*.yaml && -f $TIER ]]; then
    tier=$(sed -nE "s/^tier: *[\"']?([a-z][a-z0-9-]*)[\"']? *(#.*)?\$/\1/p" -- "$TIER")
    [[ $tier =~ ^[a-z][a-z0-9-]*$ ]] || refuse TIER "$TIER" "this file has no line 'tier: name', or several"
    config=(--configfile "$TIER")
else
    refuse TIER "$TIER" "allowed are ${shipped[*]}, or the path of a tier file that exists (….yaml)"
fi

[[ $CORES =~ ^[1-9][0-9]{0,3}$ ]] || refuse CORES "$CORES" "allowed is a whole number from 1 to 9999"

chapters=(src/algoreg/chapters/*/chapter.yaml)
# An own chapter, as snakemake --config chapter_path=… has it; ARGS stay free for another --config.
CHAPTER_PATH=${CHAPTER_PATH:-${ALGOREG_CHAPTER_PATH:-}}
while IFS= read -r -d : place; do
    [ -z "$place" ] || [ -d "$place" ] ||
        refuse CHAPTER_PATH "$CHAPTER_PATH" "allowed are folders that exist, separated by :"
    for path in "$place"/*/chapter.yaml; do
        [ ! -f "$path" ] || chapters+=("$path")
    done
done <<<"$CHAPTER_PATH:"
chapters=("${chapters[@]%/chapter.yaml}")
export ALGOREG_CHAPTER_PATH=$CHAPTER_PATH

if [ -n "$ID" ]; then
    registry=("${chapters[@]/%//claims.yaml}")
    [[ $ID =~ ^[A-Za-z0-9-]+$ ]] && grep -qxF -e "- id: $ID" -- "${registry[@]}" ||
        {
            ids=$(sed -n 's/^- id: //p' -- "${registry[@]}")
            # Those that begin alike, or all.
            near=$(grep -F -e "${ID%%-*}" <<<"$ids") || near=$ids
            refuse ID "$ID" "allowed are the ids of docs/claims.md: ${near//$'\n'/ }"
        }
fi

known_chapter() {
    for path in "${chapters[@]##*/}"; do
        [ "$path" != "$NAME" ] || return 0
    done
    refuse NAME "$NAME" "allowed are ${chapters[*]##*/}"
}

known_reference() {
    local place=reference/$tier/$NAME/claims.json beside=
    # That of a chapter of the user's own lies beside it.
    for path in "${chapters[@]}"; do
        [[ ${path##*/} != "$NAME" || $path == src/algoreg/chapters/* ]] || beside=$path/reference/$tier/claims.json
    done
    [ -f "${beside:-$place}" ] ||
        refuse NAME "$NAME" "this chapter has no reference for tier $tier: ${beside:-$place} does not exist"
}
unset LC_ALL
