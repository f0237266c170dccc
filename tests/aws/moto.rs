//! moto's server: the APIs of AWS, simulated. One per test binary, started when the first test asks for it.
//!
//! Tests share it and run at once: each uses names, or a region, of its own.

use std::env;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use aws_config::{Region, SdkConfig};
use flowgate::aws::{Connect, Credentials};

/// The account that moto puts everything into.
pub const ACCOUNT: &str = "123456789012";

/// The endpoint of every service, `http://127.0.0.1:PORT`.
///
/// Panics if the server can't be started: a test that can't run has not passed.
pub fn endpoint() -> &'static str {
    static SERVER: OnceLock<Server> = OnceLock::new();
    // Not inside of `get_or_init`: a panic there would leave the other tests with a message about that.
    static START: Mutex<()> = Mutex::new(());
    let _one = START.lock().unwrap_or_else(PoisonError::into_inner);
    &SERVER.get_or_init(Server::start).endpoint
}

/// How to reach it with the program's own means: fixed credentials, this region, little patience.
pub fn connect(region: &str) -> Connect {
    Connect { endpoint_url: Some(endpoint().to_owned()), ..with_test_credentials(region) }
}

/// Fixed credentials and a region; the endpoint is still AWS's own.
pub fn with_test_credentials(region: &str) -> Connect {
    Connect {
        region: Some(region.to_owned()),
        credentials: Some(Credentials::new("AKIDTESTTESTTESTTEST", "secret of tests", None, None, "tests")),
        ..Connect::default()
    }
}

/// What raw SDK clients are made of, to fill it: `aws_sdk_ec2::Client::new(&moto::config("eu-west-1").await)`.
pub async fn config(region: &str) -> SdkConfig {
    let config = connect(region).load().await.unwrap();
    assert_eq!(config.region(), Some(&Region::new(region.to_owned())));
    config
}

struct Server {
    endpoint: String,
    /// It ends when this is closed, so with this process, however that ends.
    _life: ChildStdin,
    _child: Child,
}

impl Server {
    fn start() -> Self {
        let python = python();
        let mut child = Command::new(&python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws/serve.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", python.display()));
        let (life, said) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line).unwrap();
        let port: u16 = line.trim().parse().unwrap_or_else(|_| {
            let _ = child.kill();
            panic!("moto's server did not start (it said {line:?}); what Python said is above")
        });
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "moto's server does not answer on port {port}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { endpoint: format!("http://127.0.0.1:{port}"), _life: life, _child: child }
    }
}

/// The interpreter that has moto, and with it botocore.
pub fn python() -> PathBuf {
    let venv = venv();
    let python = venv.join("bin/python");
    assert!(
        python.exists(),
        "moto's server is not installed in {}: run tests/run.sh, which does it, or set FLOWGATE_TEST_VENV",
        venv.display()
    );
    python
}

/// Where tests/run.sh puts the environment, for a plain `cargo test`, too.
fn venv() -> PathBuf {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    set("FLOWGATE_TEST_VENV")
        .or_else(|| cache().map(|cache| cache.join("flowgate/venv")))
        .unwrap_or_else(|| panic!("HOME is not set: name the Python environment in FLOWGATE_TEST_VENV"))
}
