# Checks what make was given and sets what a recipe needs of it; the Makefile sources this file. TIER, ID and CORES come
# through the environment: the shell never reads their text as part of a command.
# Sets: tier (its name, a folder of results/), config (Snakemake's options for it).
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

if [ -n "$ID" ]; then
    [[ $ID =~ ^[A-Za-z0-9-]+$ ]] && grep -qxF -e "- id: $ID" src/algoreg/chapters/*/claims.yaml ||
        refuse ID "$ID" "allowed are $(sed -n 's/^- id: //p' src/algoreg/chapters/*/claims.yaml | paste -sd' ')"
fi
unset LC_ALL
