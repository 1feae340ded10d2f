//! Says of each call what it passed.

#[inline(never)]
#[no_mangle]
pub fn plain(number: i32, size: u64, yes: bool) -> u64 {
    let result = size + number as u64;
    println!("plain {{'number': {}, 'size': {}, 'yes': {}, 'result': {}}}", number, size, if yes { "True" } else { "False" }, result);
    result
}

pub struct Account {
    pub id: u64,
    pub balance: i64,
}

pub mod bank {
    use super::Account;

    #[inline(never)]
    pub fn pay(account: &mut Account, amount: i64, to: &str) -> i64 {
        println!("pay {{'id': {}, 'balance': {}, 'amount': {}, 'to': b'{}'}}", account.id, account.balance, amount, to);
        account.balance -= amount;
        account.balance
    }
}

fn main() {
    let mut account = Account { id: 7, balance: 1000 };
    for i in 0..4u64 {
        plain(i as i32 + 2, i << 40, i % 2 == 0);
        bank::pay(&mut account, i as i64 * 31 - 5, ["somebody", "another"][i as usize % 2]);
    }
}
