//! The same as [`super::live`], with the AWS CLI: a script for whoever may not, or need not, run flowgate there.

use super::live::{CALLS, ENTRIES, Need};

/// What the script asks, and where it puts it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    /// Regions to ask; if empty, the one that the AWS CLI would.
    pub regions: Vec<String>,
    /// Profile of the AWS CLI; `None` for what it finds.
    pub profile: Option<String>,
    /// The directory below which the snapshot goes.
    pub out: String,
}

/// A bash script that makes the directory which `inventory fetch` makes. Every value of the user is quoted, and none
/// stands in a comment, so that none can become a command.
#[must_use]
pub fn script(commands: &Commands) -> String {
    let mut text = HEAD.to_owned();
    // A name that begins with a dash is no option.
    let out = match &commands.out {
        dash if dash.starts_with('-') => format!("./{dash}"),
        plain => plain.clone(),
    };
    text += &format!("out={}\n", quoted(&out));
    text += TIME;
    match &commands.profile {
        // After an equals sign, or a name that begins with a dash would be an option.
        Some(profile) => text += &format!("ask() {{\n    aws \"$@\" --profile={}\n}}\n", quoted(profile)),
        None => text += "ask() {\n    aws \"$@\"\n}\n",
    }
    if commands.regions.is_empty() {
        text += DEFAULT_REGION;
    } else {
        let regions: Vec<String> = commands.regions.iter().map(|region| quoted(region)).collect();
        text += &format!("regions=({})\n", regions.join(" "));
    }
    text += BEGIN;
    for call in &CALLS {
        let need = match call.need {
            Need::Essential => "essential",
            Need::Useful => "useful",
            Need::IfSupported => "if-supported",
        };
        text +=
            &format!("    save {need} \"$to/{}\" {} --page-size={}\n", call.file(), call.command, call.page);
    }
    text += &ENTRY_LOOP.replace("ENTRIES", ENTRIES.command).replace("SIZE", &ENTRIES.page.to_string());
    text += END;
    text
}

/// One word for any shell of POSIX, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

const HEAD: &str = r#"#!/usr/bin/env bash
# Printed by `flowgate inventory commands`. Asks the AWS CLI for what `flowgate inventory fetch` asks the EC2 API for,
# and makes the same directory: OUT/TIME/ACCOUNT/REGION/describe-security-groups.json and so on. It only reads AWS.
# An argument names the snapshot by another time than now, as 2026-03-01T00-00-00Z: the same for several accounts
# makes one observation of them.
# Ends with 0 if everything is there, 2 or 3 without a snapshot, 4 with one that lacks what was refused.
set -euo pipefail

"#;

const TIME: &str = r#"at=${1:-$(date -u +%Y-%m-%dT%H-%M-%SZ)}
case $at in
    [0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]-[0-9][0-9]-[0-9][0-9]Z) ;;
    *)
        echo 'the time must be written as 2026-03-01T00-00-00Z' >&2
        exit 2
        ;;
esac

# No pager, and patience with an account whose rate others use up.
export AWS_PAGER='' AWS_RETRY_MODE="${AWS_RETRY_MODE:-adaptive}" AWS_MAX_ATTEMPTS="${AWS_MAX_ATTEMPTS:-8}"

"#;

const DEFAULT_REGION: &str = r#"region=${AWS_REGION:-${AWS_DEFAULT_REGION:-}}
if [ -z "$region" ]; then
    region=$(ask configure get region || true)
fi
regions=("$region")
"#;

const BEGIN: &str = r#"for region in "${regions[@]}"; do
    case $region in
        '' | *[!a-z0-9-]*)
            echo 'no region is known: set AWS_REGION, or print this script again with --region' >&2
            exit 2
            ;;
    esac
done

if ! account=$(ask sts get-caller-identity --query=Account --output=text --region="${regions[0]}"); then
    exit 3
fi
case $account in
    '' | *[!0-9]*)
        echo 'aws sts get-caller-identity does not tell the account' >&2
        exit 3
        ;;
esac
if [ -e "$out/$at/$account" ]; then
    printf '%s: is there already; snapshots are never overwritten\n' "$out/$at/$account" >&2
    exit 3
fi

# Hidden until everything is there: half a snapshot would look like deleted rules.
mkdir -p "$out"
work=$(mktemp -d "$out/.$at.XXXXXX")
trap 'rm -rf "$work"' EXIT
incomplete=no

# save NEED FILE OPERATION [OPTION...]: the answer, or its refusal if a snapshot can do without.
save() {
    local need=$1 file=$2 code
    shift 2
    if ask ec2 "$@" --region="$region" --output=json >"$file" 2>"$work/said"; then
        cat "$work/said" >&2
        return
    fi
    cat "$work/said" >&2
    code=$(sed -n '/An error occurred (/{s/.*An error occurred (\([A-Za-z0-9.]*\)).*/\1/p;q;}' "$work/said")
    case $need:$code in
        useful:UnauthorizedOperation | useful:AccessDenied*) incomplete=yes ;;
        if-supported:UnauthorizedOperation | if-supported:AccessDenied*) incomplete=yes ;;
        # Older versions of the AWS CLI, and other endpoints, do not know it.
        if-supported:InvalidAction | if-supported:Unsupported* | if-supported:) ;;
        used-list:UnauthorizedOperation | used-list:AccessDenied* | used-list:Invalid*) incomplete=yes ;;
        # No rule refers to it.
        other-list:UnauthorizedOperation | other-list:AccessDenied* | other-list:Invalid*) ;;
        *)
            echo 'no snapshot was written' >&2
            exit 3
            ;;
    esac
    printf '{"Error": {"Code": "%s", "Message": "refused", "Action": "%s"}}\n' "${code:-Unknown}" "$1" >"$file"
}

for region in "${regions[@]}"; do
    to=$work/snapshot/$region
    mkdir -p "$to"
"#;

const ENTRY_LOOP: &str = r#"    # The answer does not say of which list it is: the name of the file does.
    lists=''
    if grep -q '"PrefixLists"' "$to/describe-managed-prefix-lists.json" && ! lists=$(
        ask ec2 describe-managed-prefix-lists --page-size=SIZE --query='PrefixLists[].PrefixListId' \
            --output=text --region="$region"
    ); then
        echo 'no snapshot was written' >&2
        exit 3
    fi
    for list in $lists; do
        case $list in
            *[!a-z0-9-]*) continue ;;
            pl-*) ;;
            *) continue ;;
        esac
        need=other-list
        if grep -q "\"$list\"" "$to/describe-security-groups.json" "$to/describe-security-group-rules.json"; then
            need=used-list
        fi
        save "$need" "$to/ENTRIES-$list.json" ENTRIES --prefix-list-id="$list" --page-size=SIZE
    done
"#;

const END: &str = r#"done

mkdir -p "$out/$at"
# Looked at again, because it would be moved into a directory of that name.
if [ -e "$out/$at/$account" ]; then
    printf '%s: is there already; snapshots are never overwritten\n' "$out/$at/$account" >&2
    exit 3
fi
mv "$work/snapshot" "$out/$at/$account"
printf 'wrote %s\n' "$out/$at/$account" >&2
if [ "$incomplete" = yes ]; then
    echo 'something was refused, see above: docs/permissions.md lists what to allow' >&2
    exit 4
fi
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_every_shell() {
        assert_eq!(quoted("plain"), "'plain'");
        assert_eq!(quoted("it's $(x) `y` \"z\"\n\\"), "'it'\\''s $(x) `y` \"z\"\n\\'");
    }

    #[test]
    fn every_call_is_asked_with_its_page_size() {
        let text = script(&Commands { out: "inventory".into(), ..Commands::default() });
        for call in &CALLS {
            assert!(
                text.contains(&format!(" {} --page-size={}\n", call.command, call.page)),
                "{}",
                call.command
            );
        }
        assert!(
            text.contains(" get-managed-prefix-list-entries --prefix-list-id=\"$list\" --page-size=100\n")
        );
        assert!(!text.contains("ENTRIES") && !text.contains("SIZE"));
    }
}
