//! What EC2, or the way to it, can do to a fetch: all of it is survived, told, or leaves nothing behind.

use flowgate::aws::FailureKind;
use flowgate::inventory::check;
use flowgate::inventory::live::{FetchError, Fetched, fetch};

use super::stub::{Answer, Request, Stub, refusal, response};
use super::{NAME, files, loaded, options};

const GROUPS: &str = "<securityGroupInfo>\
    <item><ownerId>111122223333</ownerId><groupId>sg-2</groupId><groupName>b</groupName><vpcId>vpc-1</vpcId>\
    <ipPermissions><item><ipProtocol>tcp</ipProtocol><fromPort>22</fromPort><toPort>22</toPort><groups/>\
    <ipRanges/><ipv6Ranges/><prefixListIds><item><prefixListId>pl-0123456789abcdef0</prefixListId></item></prefixListIds>\
    </item></ipPermissions><ipPermissionsEgress/></item>\
    <item><ownerId>111122223333</ownerId><groupId>sg-1</groupId><groupName>a</groupName><vpcId>vpc-1</vpcId>\
    <ipPermissions/><ipPermissionsEgress/></item></securityGroupInfo>";
const INTERFACES: &str = "<networkInterfaceSet><item><networkInterfaceId>eni-1</networkInterfaceId>\
    <interfaceType>nat_gateway</interfaceType><subnetId>subnet-1</subnetId><privateIpAddress>10.0.0.5</privateIpAddress>\
    <ownerId>111122223333</ownerId><availabilityZone>eu-west-1a</availabilityZone></item></networkInterfaceSet>";
const LISTS: &str = "<prefixListSet><item><prefixListId>pl-0123456789abcdef0</prefixListId><ownerId>444455556666</ownerId></item>\
    <item><prefixListId>pl-0fedcba9876543210</prefixListId><ownerId>444455556666</ownerId></item></prefixListSet>";

/// A small account in order.
fn healthy(request: &Request) -> Answer {
    let content = match request.action.as_str() {
        "DescribeSecurityGroups" => GROUPS,
        "DescribeNetworkInterfaces" => INTERFACES,
        "DescribeManagedPrefixLists" => LISTS,
        "GetManagedPrefixListEntries" => "<entrySet><item><cidr>192.0.2.0/24</cidr></item></entrySet>",
        _ => "",
    };
    response(&request.action, content)
}

fn denied(action: &str) -> Answer {
    let blob = "x".repeat(300);
    refusal(
        403,
        "UnauthorizedOperation",
        &format!(
            "You are not authorized to perform this operation. User: u is not authorized to perform: ec2:{action}. Encoded authorization failure message: {blob}"
        ),
    )
}

struct Ran {
    result: Result<Fetched, FetchError>,
    out: tempfile::TempDir,
    stub: Stub,
}

fn ran(answer: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static) -> Ran {
    let stub = Stub::start(answer);
    let out = tempfile::tempdir().unwrap();
    let result = crate::run(fetch(&options(&stub.endpoint, out.path(), "eu-west-1")));
    Ran { result, out, stub }
}

impl Ran {
    fn asked(&self, action: &str) -> usize {
        self.stub.seen().iter().filter(|request| request.action == action).count()
    }

    /// The error, after a look that nothing was left behind.
    fn failed(self) -> String {
        assert_eq!(files(self.out.path()), Vec::<String>::new());
        assert!(!self.out.path().join(NAME).exists());
        self.result.unwrap_err().to_string()
    }

    fn codes(&self) -> Vec<&'static str> {
        check(&loaded(self.out.path())).gaps.iter().map(|gap| gap.code).collect()
    }
}

#[test]
fn a_healthy_account_is_fetched_as_the_service_spells_it() {
    let ran = ran(|request, _| healthy(request));
    let fetched = ran.result.as_ref().unwrap();
    assert_eq!(fetched.lacks, []);
    // Nobody says which account it is but its groups.
    assert_eq!(fetched.path, ran.out.path().join(NAME).join("111122223333"));
    let groups =
        std::fs::read_to_string(fetched.path.join("eu-west-1/describe-security-groups.json")).unwrap();
    let lines: Vec<&str> = groups.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[3]), (4, "{\"SecurityGroups\": [", "]}"));
    assert!(lines[1].contains("\"sg-1\"") && lines[2].contains("\"sg-2\""), "sorted by id: {groups}");
    let read = loaded(ran.out.path());
    assert_eq!(read.timeline.observations()[0].interfaces["eni-1"].kind, "nat_gateway");
    assert!(!ran.codes().contains(&"error-replies"));
}

#[test]
fn throttling_is_waited_out() {
    let ran = ran(|request, before| {
        if before < 3 {
            refusal(503, "RequestLimitExceeded", "Request limit exceeded.")
        } else {
            healthy(request)
        }
    });
    assert_eq!(ran.result.as_ref().unwrap().lacks, []);
    assert_eq!(ran.asked("DescribeVpcs"), 4);
    assert_eq!(loaded(ran.out.path()).timeline.observations()[0].security_groups.len(), 2);
}

#[test]
fn throttling_without_end_is_a_failure() {
    let ran = ran(|request, _| match request.action.as_str() {
        "DescribeSubnets" => refusal(503, "RequestLimitExceeded", "Request limit exceeded."),
        _ => healthy(request),
    });
    assert_eq!(ran.asked("DescribeSubnets"), 8);
    let error = ran.failed();
    assert_eq!(
        error,
        "no snapshot was written: ec2:DescribeSubnets in eu-west-1: RequestLimitExceeded: Request limit exceeded; \
         run again when fewer tools ask this account"
    );
}

#[test]
fn a_missing_essential_permission_is_named_and_leaves_nothing() {
    for action in ["DescribeSecurityGroups", "DescribeSecurityGroupRules", "DescribeNetworkInterfaces"] {
        let ran =
            ran(move |request, _| if request.action == action { denied(action) } else { healthy(request) });
        assert_eq!(ran.asked(action), 1, "trying again does not help");
        let error = ran.failed();
        assert!(
            error.starts_with(&format!("no snapshot was written: ec2:{action} in eu-west-1: ")),
            "{error}"
        );
        assert!(error.contains(&format!("allow ec2:{action} on all resources")), "{error}");
        assert!(!error.contains("xxx"), "the blob is for machines: {error}");
    }
    // Everything that is missing, not only the first.
    let all = ran(|request, _| denied(&request.action)).failed();
    assert!(
        all.starts_with("no snapshot was written, 3 calls failed:\n  ec2:DescribeSecurityGroups in"),
        "{all}"
    );
}

#[test]
fn a_missing_useful_permission_is_a_gap() {
    let optional = [
        ("DescribeNetworkAcls", Some("no-network-acls")),
        ("DescribeSubnets", Some("no-subnets")),
        ("DescribeVpcs", Some("no-vpcs")),
        ("DescribeFlowLogs", Some("no-flow-logs")),
        ("DescribeManagedPrefixLists", Some("unreadable-prefix-lists")),
        ("DescribeVpcPeeringConnections", None),
        ("DescribeSecurityGroupVpcAssociations", None),
    ];
    for (action, code) in optional {
        let ran =
            ran(move |request, _| if request.action == action { denied(action) } else { healthy(request) });
        let fetched = ran.result.as_ref().unwrap();
        let [lack] = &fetched.lacks[..] else { panic!("{fetched:?}") };
        assert_eq!((lack.action, lack.matters), (format!("ec2:{action}").as_str(), true));
        assert!(lack.next.contains(&format!("allow ec2:{action} ")), "{}", lack.next);
        assert!(fetched.is_incomplete());
        assert_eq!(loaded(ran.out.path()).timeline.observations()[0].security_groups.len(), 2);
        // What is not there, and why.
        let codes = ran.codes();
        assert!(codes.contains(&"error-replies"), "{action}: {codes:?}");
        assert!(code.is_none_or(|code| codes.contains(&code)), "{action}: {codes:?}");
    }
}

#[test]
fn lists_of_others_matter_if_a_rule_uses_them() {
    for (list, matters) in [("pl-0123456789abcdef0", true), ("pl-0fedcba9876543210", false)] {
        let ran = ran(move |request, _| match request.parameters.get("PrefixListId") {
            Some(id) if id == list => denied("GetManagedPrefixListEntries"),
            _ => healthy(request),
        });
        let fetched = ran.result.as_ref().unwrap();
        let [lack] = &fetched.lacks[..] else { panic!("{fetched:?}") };
        assert_eq!((lack.subject.as_deref(), lack.matters), (Some(list), matters));
        assert_eq!(fetched.is_incomplete(), matters);
        assert_eq!(ran.codes().contains(&"unreadable-prefix-lists"), matters);
        assert!(ran.codes().contains(&"error-replies"));
    }
}

#[test]
fn a_call_that_the_endpoint_does_not_know_is_a_note() {
    let answers: [fn() -> Answer; 3] = [
        || refusal(400, "InvalidAction", "The action is not valid for this web service."),
        || Answer::Xml(501, "<html>not implemented</html>".to_owned()),
        || Answer::Xml(500, "oops".to_owned()),
    ];
    for answer in answers {
        let ran = ran(move |request, _| match request.action.as_str() {
            "DescribeSecurityGroupVpcAssociations" => answer(),
            _ => healthy(request),
        });
        let fetched = ran.result.as_ref().unwrap();
        assert_eq!((fetched.lacks.len(), fetched.is_incomplete()), (1, false), "{fetched:?}");
        assert_eq!(ran.asked("DescribeSecurityGroupVpcAssociations"), 1);
    }
}

#[test]
fn broken_connections_are_tried_again() {
    let survived = ran(|request, before| if before < 2 { Answer::Break } else { healthy(request) });
    assert_eq!(survived.result.as_ref().unwrap().lacks, []);
    assert_eq!(loaded(survived.out.path()).timeline.observations()[0].security_groups.len(), 2);

    let broken = ran(|request, _| match request.action.as_str() {
        "DescribeFlowLogs" => Answer::Break,
        _ => healthy(request),
    });
    let error = match broken.result.as_ref().unwrap_err() {
        FetchError::Calls(calls) => calls[0].clone(),
        other => panic!("{other}"),
    };
    assert_eq!((error.action, error.failure.kind), ("ec2:DescribeFlowLogs", FailureKind::Transient));
    assert!(broken.failed().ends_with("check the network and the service's status, then run again"));

    // One cause, told once.
    let silent = ran(|_, _| refusal(500, "InternalError", "An internal error has occurred.")).failed();
    let lines: Vec<&str> = silent.lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, "no snapshot was written, 9 calls failed:"), "{silent}");
    assert!(
        lines[1].starts_with("  ec2:DescribeSecurityGroups, ec2:DescribeSecurityGroupRules, "),
        "{silent}"
    );
}

#[test]
fn pages_without_end_are_a_failure() {
    let ran = ran(|request, _| match request.action.as_str() {
        "DescribeNetworkInterfaces" => {
            response(&request.action, &format!("{INTERFACES}<nextToken>again</nextToken>"))
        }
        _ => healthy(request),
    });
    assert_eq!(ran.asked("DescribeNetworkInterfaces"), 2);
    let error = ran.failed();
    assert!(
        error.contains("ec2:DescribeNetworkInterfaces in eu-west-1: the answers never come to an end"),
        "{error}"
    );
}

#[test]
fn a_page_that_fails_in_the_middle_leaves_nothing() {
    let ran = ran(|request, _| match (request.action.as_str(), request.parameters.get("NextToken")) {
        ("DescribeSecurityGroups", None) => {
            response(&request.action, &format!("{GROUPS}<nextToken>two</nextToken>"))
        }
        ("DescribeSecurityGroups", Some(_)) => refusal(400, "InvalidNextToken", "The token has expired."),
        _ => healthy(request),
    });
    assert!(ran.failed().contains("InvalidNextToken"));
}

#[test]
fn at_most_four_requests_are_in_flight() {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    static NOW: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let ran = ran(|request, _| {
        let now = NOW.fetch_add(1, SeqCst) + 1;
        MOST.fetch_max(now, SeqCst);
        std::thread::sleep(std::time::Duration::from_millis(50));
        NOW.fetch_sub(1, SeqCst);
        healthy(request)
    });
    ran.result.unwrap();
    assert_eq!(MOST.load(SeqCst), 4, "as many as may be, and no more");
}

#[test]
fn credentials_that_expired_and_regions_that_are_none() {
    let expired = ran(|_, _| refusal(400, "RequestExpired", "Request has expired.")).failed();
    assert!(expired.contains("aws sso login") && expired.contains("RequestExpired"), "{expired}");

    let out = tempfile::tempdir().unwrap();
    for region in ["../x", "a.example#"] {
        let fetch_there = super::Fetch {
            regions: vec![region.to_owned()],
            ..options("http://127.0.0.1:9", out.path(), "eu-west-1")
        };
        let error = crate::run(fetch(&fetch_there)).unwrap_err();
        assert!(matches!(error, FetchError::BadRegion { .. }), "{error}");
    }
}

#[test]
fn two_days_are_a_timeline_and_what_is_half_written_is_not_read() {
    let stub = Stub::start(|request, _| healthy(request));
    let out = tempfile::tempdir().unwrap();
    for day in 0..2 {
        let mut options = options(&stub.endpoint, out.path(), "eu-west-1");
        options.at += day * 86_400;
        crate::run(fetch(&options)).unwrap();
    }
    // Killed while it wrote.
    let half = out.path().join(".2026-11-24T12-00-00Z.111122223333.99.tmp/eu-west-1");
    std::fs::create_dir_all(&half).unwrap();
    std::fs::write(half.join("describe-security-groups.json"), "{\"SecurityGroups\": []}").unwrap();
    let times: Vec<Option<i64>> =
        loaded(out.path()).report.observations.iter().map(|observation| observation.observed_at).collect();
    assert_eq!(times, [Some(super::AT), Some(super::AT + 86_400)]);
}
