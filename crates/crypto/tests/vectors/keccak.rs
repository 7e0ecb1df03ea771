//! SHAKE256 (FIPS 202), which the library computes but does not offer: what ML-DSA makes its `mu` with.

/// The message representative of ML-DSA (FIPS 204, algorithm 7, line 6, and algorithm 2, line 10); none for a context that is too long.
pub(crate) fn mu(public_key: &[u8], context: &[u8], message: &[u8]) -> Option<[u8; 64]> {
    let context_len = u8::try_from(context.len()).ok()?;
    let key_digest: [u8; 64] = shake256(&[public_key]);
    Some(shake256(&[&key_digest, &[0, context_len], context, message]))
}

fn shake256<const LEN: usize>(parts: &[&[u8]]) -> [u8; LEN] {
    const RATE: usize = 136;
    const { assert!(LEN <= RATE, "one block of output") };
    let mut message = parts.concat();
    message.push(0x1f);
    message.resize(message.len().next_multiple_of(RATE), 0);
    *message.last_mut().unwrap() |= 0x80;

    let mut state = [0_u64; 25];
    for block in message.chunks_exact(RATE) {
        for (lane, bytes) in state.iter_mut().zip(block.chunks_exact(8)) {
            *lane ^= u64::from_le_bytes(bytes.try_into().unwrap());
        }
        permute(&mut state);
    }
    let bytes: Vec<u8> = state.iter().flat_map(|lane| lane.to_le_bytes()).take(LEN).collect();
    bytes.try_into().unwrap()
}

/// Keccak-f[1600] (FIPS 202, section 3.2); lane (x, y) is at x + 5y.
fn permute(state: &mut [u64; 25]) {
    let mut register = 1_u8;
    for _ in 0..24 {
        let column = |x: usize| (0..5).fold(0, |parity, y| parity ^ state[x % 5 + 5 * y]);
        let parities = [column(0), column(1), column(2), column(3), column(4)];
        for (at, lane) in state.iter_mut().enumerate() {
            *lane ^= parities[(at + 4) % 5] ^ parities[(at % 5 + 1) % 5].rotate_left(1);
        }
        let (mut x, mut y, mut moved) = (1, 0, state[1]);
        for step in 0..24 {
            (x, y) = (y, (2 * x + 3 * y) % 5);
            let rotated = moved.rotate_left((step + 1) * (step + 2) / 2 % 64);
            moved = std::mem::replace(&mut state[x + 5 * y], rotated);
        }
        for row in state.chunks_exact_mut(5) {
            let before: [u64; 5] = (&*row).try_into().unwrap();
            for (x, lane) in row.iter_mut().enumerate() {
                *lane ^= !before[(x + 1) % 5] & before[(x + 2) % 5];
            }
        }
        for j in 0..7 {
            state[0] ^= u64::from(register & 1) << ((1 << j) - 1);
            register = register << 1 ^ if register & 0x80 == 0 { 0 } else { 0x71 };
        }
    }
}

#[test]
fn shake256_is_that_of_fips_202() {
    // Python's hashlib.
    let expected = "46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f";
    assert_eq!(data_encoding::HEXLOWER.encode(&shake256::<32>(&[])), expected);
    let long: [u8; 32] = shake256(&[&[7; 100], &[8; 100]]);
    assert_eq!(data_encoding::HEXLOWER.encode(&long), "27da4ed9ec0c25e63ffcd608bdaa7c5ade642fcd8b715ec0970d3e2e0ab45630");
}
