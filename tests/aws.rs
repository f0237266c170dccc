//! What asks AWS's APIs, against moto's server and against scripted ones.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests; clippy exempts only the test functions themselves, not their helpers. Where the server lies is in \
              the environment"
)]

#[path = "aws/cloudwatch.rs"]
mod cloudwatch;
#[path = "aws/commands.rs"]
mod commands;
#[cfg(feature = "live-inventory")]
#[path = "aws/ec2/mod.rs"]
mod ec2;
#[path = "aws/moto.rs"]
mod moto;
#[path = "aws/permissions.rs"]
mod permissions;
#[path = "aws/scripted.rs"]
mod scripted;
#[path = "aws/stub.rs"]
mod stub;

/// Runs a future to its end the way the pipeline does.
fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn the_server_knows_whom_and_where() {
    run(async {
        for region in ["eu-west-1", "us-east-1"] {
            let logs = aws_sdk_cloudwatchlogs::Client::new(&moto::config(region).await);
            logs.create_log_group().log_group_name("harness").send().await.unwrap();
            let groups = logs.describe_log_groups().log_group_name_prefix("harness").send().await.unwrap();
            let arns: Vec<&str> = groups.log_groups().iter().filter_map(|group| group.arn()).collect();
            assert_eq!(arns, [format!("arn:aws:logs:{region}:{}:log-group:harness:*", moto::ACCOUNT)]);
        }
    });
}
