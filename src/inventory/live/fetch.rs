//! Everything of some regions, into one snapshot.

use std::path::{Path, PathBuf};

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use serde_json::json;

use super::calls::{
    ACLS, ASSOCIATIONS, CALLS, Call, ENTRIES, FLOW_LOGS, GROUPS, INTERFACES, LISTS, Need, PEERINGS, RULES,
    SUBNETS, VPCS,
};
use super::client::{Asker, Elements, Page};
use super::error::{CallFailure, FetchError, Stop, said};
use super::snapshot::{Content, Files, Place, prepare};
use super::{Fetch, may_be_region, shape, snapshot_name};
use crate::aws::{Connect, FailureKind, Role};

/// The account's directory if nothing tells which it is.
const UNKNOWN_ACCOUNT: &str = "unknown-account";

/// A snapshot that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The directory with everything: `DIR/2026-11-22T12-00-00Z/ACCOUNT`.
    pub path: PathBuf,
    /// What was fetched, by region in the order asked for.
    pub regions: Vec<FetchedRegion>,
    /// What was not, because it was refused.
    pub lacks: Vec<Lack>,
}

impl Fetched {
    /// True if something that is lacking can change a conclusion.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.lacks.iter().any(|lack| lack.matters)
    }
}

/// What was fetched of a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedRegion {
    /// Its name.
    pub region: String,
    /// Elements per call, in the order of [`CALLS`], entries of prefix lists last. What is lacking is left out.
    pub counts: Vec<(Call, usize)>,
}

/// Something that was refused. The snapshot holds the refusal in the place of the answer, so that a check tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// The permission, which is also the name of the call.
    pub action: &'static str,
    /// Where.
    pub region: String,
    /// What it was about: the prefix list.
    pub subject: Option<String>,
    /// What the service said.
    pub said: String,
    /// What to do about it.
    pub next: String,
    /// Whether it can change a conclusion. A call that the endpoint does not know, or a prefix list that no rule
    /// uses, can't.
    pub matters: bool,
}

/// Fetches security groups, rules, interfaces and everything else that [`CALLS`] names, of every region, and writes
/// them into a directory named by the time. Must be called from within a tokio runtime.
///
/// # Errors
/// If something essential can't be read, or the directory can't be written. Nothing is written then.
pub async fn fetch(options: &Fetch) -> Result<Fetched, FetchError> {
    let name = snapshot_name(options.at).ok_or(FetchError::BadTime { at: options.at })?;
    let mut connect = options.connect.clone();
    // STS is asked in a region, too.
    connect.region = connect.region.or_else(|| options.regions.first().cloned());
    let config = connect.load().await?;
    let regions = regions(options, &config)?;
    prepare(&options.out, &name)?;

    let known = known_account(&connect, &config).await;
    if let Some(account) = &known {
        // Better now than after minutes.
        refuse_existing(&Place { out: &options.out, name: &name, account })?;
    }
    let mut fetched = Fetched { path: PathBuf::new(), regions: Vec::new(), lacks: Vec::new() };
    let mut files = Files::new();
    let mut failures = Vec::new();
    let mut owner = None;
    for region in regions {
        let answers = ask(&Asker::new(&config, &region, connect.backoff)).await;
        let taken = answers.take(&mut files);
        owner = owner.or(taken.owner);
        failures.extend(taken.failures);
        fetched.lacks.extend(taken.lacks);
        fetched.regions.push(FetchedRegion { region, counts: taken.counts });
    }
    if !failures.is_empty() {
        return Err(FetchError::Calls(failures));
    }
    let account = known.or(owner);
    let account = account.as_deref().unwrap_or(UNKNOWN_ACCOUNT);
    fetched.path = Place { out: &options.out, name: &name, account }.write(&files)?;
    Ok(fetched)
}

fn refuse_existing(place: &Place<'_>) -> Result<(), FetchError> {
    let path = place.path();
    if path.exists() { Err(FetchError::Exists { path }) } else { Ok(()) }
}

fn regions(options: &Fetch, config: &SdkConfig) -> Result<Vec<String>, FetchError> {
    let mut regions: Vec<String> = Vec::new();
    for region in &options.regions {
        if !regions.contains(region) {
            regions.push(region.clone());
        }
    }
    if regions.is_empty() {
        regions.push(config.region().ok_or(FetchError::NoRegion)?.to_string());
    }
    match regions.iter().find(|region| !may_be_region(region)) {
        Some(region) => Err(FetchError::BadRegion { region: region.clone() }),
        None => Ok(regions),
    }
}

/// The account as the credentials or the role tell it, if they do. Credentials that can't be had are an error of the
/// first call, which says more.
async fn known_account(connect: &Connect, config: &SdkConfig) -> Option<String> {
    let of_role = |role: &Role| role.arn.split(':').nth(4).map(str::to_owned);
    let mut account = connect.role.as_ref().and_then(of_role);
    if account.is_none()
        && let Some(provider) = config.credentials_provider()
        && let Ok(credentials) = provider.provide_credentials().await
    {
        account = credentials.account_id().map(|id| id.as_str().to_owned());
    }
    account.filter(|id| is_account(id))
}

/// It becomes the name of a directory.
fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// The answers of one region.
struct Answers {
    region: String,
    lists: Vec<(Call, Result<Elements, Stop>)>,
    /// Entries by prefix list.
    entries: Vec<(String, Result<Elements, Stop>)>,
}

async fn ask(asker: &Asker) -> Answers {
    /// One call: its builder, the page size, and how an element is written.
    macro_rules! all {
        ($call:ident, $operation:ident, $member:ident, $write:path) => {
            asker.all(
                &$call,
                |token| asker.client.$operation().max_results($call.page).set_next_token(token).send(),
                |page| Page { elements: page.$member().iter().map($write).collect(), next: page.next_token },
            )
        };
    }
    let lists_and_entries = async {
        let lists = all!(LISTS, describe_managed_prefix_lists, prefix_lists, shape::prefix_list).await;
        let entries = entries(asker, lists.as_ref().ok()).await;
        (lists, entries)
    };
    // At most a few of them at a time, see `Asker`.
    let (groups, rules, interfaces, acls, subnets, vpcs, (lists, entries), peerings, flow_logs, associations) = tokio::join!(
        all!(GROUPS, describe_security_groups, security_groups, shape::security_group),
        all!(RULES, describe_security_group_rules, security_group_rules, shape::security_group_rule),
        all!(INTERFACES, describe_network_interfaces, network_interfaces, shape::network_interface),
        all!(ACLS, describe_network_acls, network_acls, shape::network_acl),
        all!(SUBNETS, describe_subnets, subnets, shape::subnet),
        all!(VPCS, describe_vpcs, vpcs, shape::vpc),
        lists_and_entries,
        all!(PEERINGS, describe_vpc_peering_connections, vpc_peering_connections, shape::peering),
        all!(FLOW_LOGS, describe_flow_logs, flow_logs, shape::flow_log),
        all!(
            ASSOCIATIONS,
            describe_security_group_vpc_associations,
            security_group_vpc_associations,
            shape::association
        ),
    );
    let answers = [groups, rules, interfaces, acls, subnets, vpcs, lists, peerings, flow_logs, associations];
    Answers { region: asker.region.clone(), lists: CALLS.into_iter().zip(answers).collect(), entries }
}

/// The entries of every list, one list after the other: most are of AWS, and there are few.
async fn entries(asker: &Asker, lists: Option<&Elements>) -> Vec<(String, Result<Elements, Stop>)> {
    let mut found = Vec::new();
    for id in lists.into_iter().flat_map(Elements::keys).filter(|id| is_list_id(id)) {
        let answer = asker
            .all(
                &ENTRIES,
                |token| {
                    let call = asker.client.get_managed_prefix_list_entries().prefix_list_id(id);
                    call.max_results(ENTRIES.page).set_next_token(token).send()
                },
                |page| Page {
                    elements: page.entries().iter().map(shape::entry).collect(),
                    next: page.next_token,
                },
            )
            .await;
        found.push((id.clone(), answer));
    }
    found
}

/// It becomes a part of a file name.
fn is_list_id(id: &str) -> bool {
    id.strip_prefix("pl-")
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// What the answers of a region come to.
#[derive(Default)]
struct Taken {
    counts: Vec<(Call, usize)>,
    lacks: Vec<Lack>,
    failures: Vec<CallFailure>,
    owner: Option<String>,
}

impl Answers {
    /// Puts every answer into a file, and a refusal that can be lived with in its place.
    fn take(self, files: &mut Files) -> Taken {
        let mut taken = Taken { owner: self.owner(), ..Taken::default() };
        let used: Vec<bool> = self.entries.iter().map(|(id, _)| self.is_used(id)).collect();
        let directory = PathBuf::from(&self.region);
        for (call, answer) in self.lists {
            let path = directory.join(call.file());
            taken.one(&call, &self.region, None, call.need != Need::IfSupported, answer, path, files);
        }
        for ((id, answer), used) in self.entries.into_iter().zip(used) {
            let path = directory.join(format!("{}-{id}.json", ENTRIES.command));
            taken.one(&ENTRIES, &self.region, Some(&id), used, answer, path, files);
        }
        taken
    }

    fn elements(&self, call: &Call) -> impl Iterator<Item = &String> {
        let found = self.lists.iter().find(|(c, _)| c == call).and_then(|(_, answer)| answer.as_ref().ok());
        found.into_iter().flat_map(Elements::values)
    }

    /// True if a rule refers to the prefix list.
    fn is_used(&self, list: &str) -> bool {
        let named = format!("\"PrefixListId\":\"{list}\"");
        self.elements(&GROUPS).chain(self.elements(&RULES)).any(|element| element.contains(&named))
    }

    /// The account that owns most groups. A VPC can be shared, so that there may be several.
    fn owner(&self) -> Option<String> {
        let mut owners = std::collections::BTreeMap::<String, usize>::new();
        for element in self.elements(&GROUPS) {
            let group: serde_json::Value = serde_json::from_str(element).ok()?;
            if let Some(owner) = group.get("OwnerId").and_then(|o| o.as_str()).filter(|o| is_account(o)) {
                *owners.entry(owner.to_owned()).or_default() += 1;
            }
        }
        owners.into_iter().max_by_key(|(_, groups)| *groups).map(|(owner, _)| owner)
    }
}

impl Taken {
    #[expect(clippy::too_many_arguments, reason = "one answer and all that it goes to")]
    fn one(
        &mut self,
        call: &Call,
        region: &str,
        subject: Option<&str>,
        matters: bool,
        answer: Result<Elements, Stop>,
        path: impl AsRef<Path>,
        files: &mut Files,
    ) {
        let path = path.as_ref().to_owned();
        match answer {
            Ok(elements) => {
                match self.counts.last_mut() {
                    Some((last, count)) if last == call => *count += elements.len(),
                    _ => self.counts.push((*call, elements.len())),
                }
                files.insert(path, Content::List(call.list, elements));
            }
            Err(Stop::Failed(failure)) if is_bearable(call, failure.kind) => {
                let denied = failure.kind == FailureKind::Denied;
                let matters = matters || (denied && call.need == Need::IfSupported);
                let code = failure.code.clone().unwrap_or_else(|| "Unknown".to_owned());
                let error = CallFailure::new(call, region, subject, Stop::Failed(failure));
                let said = match (&error.failure.code, error.failure.status) {
                    (None, Some(status)) if !denied => {
                        format!("the endpoint does not know it (HTTP status {status})")
                    }
                    _ => said(&error.failure),
                };
                // In the shape of a failed call's answer, which the loader knows.
                let reply = json!({"Error": {"Code": code, "Message": said, "Action": call.action}});
                files.insert(path, Content::Document(reply));
                self.lacks.push(Lack {
                    action: call.action,
                    region: region.to_owned(),
                    subject: subject.map(str::to_owned),
                    said,
                    next: if matters { error.next() } else { format!("nothing, {}", harmless(call)) },
                    matters,
                });
            }
            Err(stop) => self.failures.push(CallFailure::new(call, region, subject, stop)),
        }
    }
}

/// Why a refusal changes nothing.
fn harmless(call: &Call) -> &'static str {
    if *call == ENTRIES { "no rule refers to that list" } else { "no conclusion needs it yet" }
}

/// Whether a snapshot without the answer is better than none. What may work the next time is no reason for a
/// snapshot with a hole.
fn is_bearable(call: &Call, kind: FailureKind) -> bool {
    match call.need {
        Need::Essential => false,
        // A list can be shared by another account, or be gone since it was listed.
        Need::Useful if *call == ENTRIES => {
            matches!(kind, FailureKind::Denied | FailureKind::Missing | FailureKind::Other)
        }
        Need::Useful => kind == FailureKind::Denied,
        Need::IfSupported => kind != FailureKind::Credentials && kind != FailureKind::Throttled,
    }
}
