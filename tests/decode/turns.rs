//! Rows of many interfaces in turn, which the decoder remembers and must not mix up.

use flowgate::decode::DecodeOptions;

use super::support::{V2, decode_once, engine};

const MORE: &str = "vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr traffic-path";

/// An id whose first digits alone, or last digits alone, are those of others.
fn id(number: usize) -> String {
    match number % 3 {
        0 => format!("eni-{number:05x}00000000aaaa"),
        1 => format!("eni-0000000000{number:05x}00"),
        _ => format!("eni-{number:017x}"),
    }
}

fn row(number: usize, port: usize, short: bool) -> String {
    let interface = id(number);
    let mut row = format!(
        "5 123456789010 {interface} 10.0.0.1 10.0.0.2 443 {port} 6 10 840 1600000000 1600000060 ACCEPT OK"
    );
    if !short {
        let instance = if number.is_multiple_of(4) { "-".to_owned() } else { format!("i-{number:017x}") };
        row += &format!(
            " vpc-1 subnet-{:017x} {instance} 2 IPv4 10.0.0.1 10.0.0.{} {}",
            number % 7,
            number % 200,
            number % 9
        );
    }
    row
}

#[test]
fn interfaces_in_turn_keep_their_rows() {
    for short in [true, false] {
        let header = if short { V2.to_owned() } else { format!("{V2} {MORE}") };
        // Forwards, backwards and in leaps, so that the same interface has another number in each batch.
        let orders: [fn(usize) -> usize; 3] = [|n| n, |n| 699 - n, |n| n * 251 % 700];
        let numbers: Vec<usize> =
            (0..6).flat_map(|turn| (0..700).map(move |n| orders[turn % 3](n))).collect();
        let mut text = header;
        for (port, &number) in numbers.iter().enumerate() {
            text += "\n";
            text += &row(number, port, short);
        }
        // Room behind the last row, which the decoder wants for its short way.
        text += "\n";
        text += &" \n".repeat(600);
        for batch_rows in [700, 1000, 1 << 14] {
            let outcome = decode_once(text.as_bytes(), &DecodeOptions { batch_rows, ..engine() }, 1 << 20);
            assert_eq!(outcome.rows.len(), numbers.len());
            for (port, &number) in numbers.iter().enumerate() {
                assert_eq!(
                    outcome.value(port, "interface_id"),
                    id(number),
                    "row {port} of batches of {batch_rows}"
                );
                assert_eq!(outcome.value(port, "dstport"), port.to_string());
                if !short {
                    assert_eq!(outcome.value(port, "pkt_dstaddr"), format!("10.0.0.{}", number % 200));
                }
            }
        }
    }
}
