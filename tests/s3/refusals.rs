//! What the service refuses, and what the user is told to do about it.

use flowgate::source::{S3Options, S3Source, S3Url, Selection};

use crate::fault::Fault;
use crate::faults::{store, truth};
use crate::proxy::{Proxy, Request};
use crate::read::{Outcome, connect, read_all, source};
use crate::server::Server;

const KEY: &str = "in/03 of 100.log.gz";

fn through(script: impl FnMut(&Request) -> Vec<Fault> + Send + 'static) -> (Outcome, Vec<Request>) {
    let server = Server::start(store(), None);
    let proxy = Proxy::start(server.address, script);
    let outcome = read_all(source(&proxy.url(), &["s3://logs/in/"]), &Selection::default());
    (outcome, proxy.requests())
}

/// What is said when all listings, or the reading of one object, are refused so. Both without trying again.
fn listing(refusal: Fault) -> String {
    let (outcome, requests) = through(move |_| vec![refusal.clone()]);
    let errors = outcome.errors();
    assert_eq!((outcome.objects.len(), errors.len(), requests.len()), (0, 1, 1), "{errors:?}");
    errors[0].clone()
}

fn reading(refusal: Fault) -> String {
    let script = move |request: &Request| if request.key == KEY { vec![refusal.clone()] } else { Vec::new() };
    let (outcome, requests) = through(script);
    assert_eq!(outcome.errors(), [""; 0]);
    let name = format!("s3://logs/{KEY}");
    for (other, bytes) in truth(&store()) {
        assert!(other == name || outcome.objects[&other] == bytes, "{other}: the others are read");
    }
    assert_eq!(requests.iter().filter(|r| r.key == KEY).count(), 1, "asked once");
    outcome.objects[&name].clone().unwrap_err()
}

#[test]
fn missing_permissions_are_named() {
    let denied = || Fault::refuse(403, "AccessDenied", "Access Denied");
    assert_eq!(
        listing(denied()),
        "s3://logs/in/: AccessDenied: Access Denied; allow s3:ListBucket on arn:aws:s3:::logs; if the requester pays \
         for this bucket, add --requester-pays"
    );
    assert_eq!(
        reading(denied()),
        "s3://logs/in/03 of 100.log.gz: AccessDenied: Access Denied; allow s3:GetObject on arn:aws:s3:::logs/in/*"
    );
    let kms = "User: arn:aws:iam::123456789012:user/me is not authorized to perform: kms:Decrypt on resource: \
               arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab because no \
               identity-based policy allows the kms:Decrypt action";
    let said = reading(Fault::refuse(403, "AccessDenied", kms));
    assert!(said.contains("no identity-based policy"), "{said}");
    assert!(said.ends_with(
        "; allow kms:Decrypt on the key that the object is encrypted with, in the key's policy, too, if it is of \
         another account"
    ));
    for (code, message) in [
        ("KMS.DisabledException", "arn:aws:kms:eu-west-1:123456789012:key/1234abcd is disabled."),
        ("KMS.NotFoundException", "Invalid arn"),
    ] {
        let said = reading(Fault::refuse(400, code, message));
        assert!(said.contains(code) && said.contains("allow kms:Decrypt"), "{said}");
    }
    // Without a word from the service: HEAD-like answers of firewalls.
    let said = listing(Fault::refuse(403, "", ""));
    assert!(said.contains("403") && said.contains("allow s3:ListBucket"), "{said}");
}

#[test]
fn other_refusals_say_what_to_do() {
    let missing = Fault::refuse(404, "NoSuchBucket", "The specified bucket does not exist");
    assert_eq!(
        listing(missing.clone()),
        "s3://logs/in/: NoSuchBucket: The specified bucket does not exist; check the bucket's name"
    );
    assert!(reading(missing).contains("NoSuchBucket"), "gone since it was listed");
    let expired = "The provided token has expired.";
    for said in [
        listing(Fault::refuse(400, "ExpiredToken", expired)),
        reading(Fault::refuse(400, "ExpiredToken", expired)),
        listing(Fault::refuse(
            403,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist",
        )),
        listing(Fault::refuse(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match",
        )),
        listing(Fault::refuse(403, "RequestTimeTooSkewed", "The difference is too large.")),
    ] {
        assert!(said.contains("name a profile with --profile, log in (`aws sso login`)"), "{said}");
    }
    assert_eq!(
        reading(Fault::refuse(
            403,
            "InvalidObjectState",
            "The operation is not valid for the object's storage class"
        )),
        "s3://logs/in/03 of 100.log.gz: InvalidObjectState: The operation is not valid for the object's storage class; \
         it is archived: restore it (`aws s3api restore-object`) or leave its time out"
    );
    let said = listing(Fault::refuse(501, "NotImplemented", "A header you provided is not implemented."));
    assert!(said.starts_with("s3://logs/in/: NotImplemented: "), "{said}");
}

#[test]
fn no_service_at_all_is_told() {
    // Nobody listens there any more.
    let url = Server::start(store(), None).url();
    let outcome = read_all(source(&url, &["s3://logs/in/"]), &Selection::default());
    let errors = outcome.errors();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].starts_with("s3://logs/in/: ") && errors[0].contains("refused"), "{errors:?}");
    assert!(
        errors[0]
            .ends_with("; check the endpoint (--endpoint-url, AWS_ENDPOINT_URL), the region and the network"),
        "{errors:?}"
    );
}

#[test]
fn a_bucket_of_another_region_is_found() {
    for (status, code) in
        [(301, "PermanentRedirect"), (400, "AuthorizationHeaderMalformed"), (307, "TemporaryRedirect")]
    {
        let mut told = false;
        let (outcome, requests) = through(move |_| {
            if std::mem::replace(&mut told, true) {
                return Vec::new();
            }
            vec![Fault::elsewhere(status, code, "ap-southeast-2")]
        });
        assert_eq!(outcome.errors(), [""; 0]);
        assert_eq!(outcome.objects, truth(&store()));
        assert_eq!(requests.len(), 1 + 3 + 12, "once for all requests to come");
    }
}

#[test]
fn a_bucket_that_is_always_elsewhere_is_given_up() {
    let (outcome, requests) = through(|_| vec![Fault::elsewhere(301, "PermanentRedirect", "ap-southeast-2")]);
    assert_eq!(requests.len(), 2, "here, and there");
    assert!(outcome.errors()[0].starts_with("s3://logs/in/: PermanentRedirect: "), "{:?}", outcome.errors());

    let mut n = 0;
    let (outcome, requests) = through(move |_| {
        n += 1;
        vec![Fault::elsewhere(301, "PermanentRedirect", ["us-east-1", "us-east-2"][n % 2])]
    });
    assert_eq!(requests.len(), 4);
    let errors = outcome.errors();
    assert!(errors[0].contains("; the bucket is in us-east-"), "{errors:?}");
    assert!(errors[0].ends_with(": set AWS_REGION to it"), "{errors:?}");
}

#[test]
fn whoever_pays_says_so_with_every_request() {
    let server = Server::start(store(), None);
    let proxy = Proxy::plain(server.address);
    let url = S3Url::parse("s3://logs/in/").unwrap().unwrap();
    for requester_pays in [false, true] {
        let before = proxy.requests().len();
        let options = S3Options { requester_pays, ..S3Options::default() };
        let source = S3Source::new([url.clone()], connect(&proxy.url()), options);
        assert_eq!(read_all(source, &Selection::default()).objects, truth(&store()));
        let requests = &proxy.requests()[before..];
        assert_eq!(requests.len(), 3 + 12);
        for request in requests {
            assert_eq!(request.header("x-amz-request-payer"), requester_pays.then_some("requester"));
        }
    }
}
