//! Points in time as the machine tells them, read and written without a calendar crate: seconds and microseconds of the
//! wall clock since 1970, in UTC. The present is handed in; nothing here reads a clock.

/// `2026-11-03T08:15:30Z` of microseconds since 1970.
pub fn rfc3339(at_us: u64) -> String {
    let seconds = at_us / 1_000_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3_600, second % 3_600 / 60, second % 60)
}

/// Microseconds since 1970 of what podman prints, `2026-11-03T09:15:30.123456789+01:00`; none for the year 1, which is Go's "never", and
/// for what is no such text.
pub fn parse(text: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| text.get(range).and_then(|digits| digits.parse::<i64>().ok());
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let rest = text.get(19..)?;
    let zone_at = rest.find(['Z', '+', '-'])?;
    let zone = rest.get(zone_at..)?;
    let offset = match zone {
        "Z" => 0,
        _ => {
            let (sign, hours, minutes) = (zone.get(0..1)?, zone.get(1..3)?, zone.get(4..6)?);
            let seconds = hours.parse::<i64>().ok()? * 3_600 + minutes.parse::<i64>().ok()? * 60;
            if sign == "-" { -seconds } else { seconds }
        }
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    let micros = rest.get(1..zone_at).unwrap_or_default().bytes().chain(*b"000000").take(6);
    let micros = micros.fold(0, |sum, digit| sum * 10 + u64::from(digit.wrapping_sub(b'0') % 10));
    u64::try_from(seconds).ok().map(|seconds| seconds * 1_000_000 + micros)
}

/// Days since 1970-01-01 of a date of the Gregorian calendar; years are counted from March, so that the leap day is their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    // 719_468 days lie between 0000-03-01 and 1970-01-01.
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

/// The date of a day since 1970-01-01.
fn civil(day: u64) -> (u64, u64, u64) {
    let day = day + 719_468;
    // 400 years have 146_097 days.
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::{parse, rfc3339};

    #[test]
    fn what_is_written_is_read_back() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2024-03-01T00:00:00Z", 1_709_251_200),
            ("2026-12-31T23:59:59Z", 1_798_761_599),
        ] {
            assert_eq!(parse(text), Some(seconds * 1_000_000), "{text}");
            assert_eq!(rfc3339(seconds * 1_000_000), text);
        }
    }

    #[test]
    fn zones_and_fractions_are_podmans() {
        let second = parse("2026-11-03T08:15:30Z").unwrap();
        assert_eq!(parse("2026-11-03T03:45:30-04:30"), Some(second));
        assert_eq!(parse("2026-11-03T09:15:30.123456789+01:00"), Some(second + 123_456));
        assert_eq!(parse("2026-11-03T08:15:30.5Z"), Some(second + 500_000));
    }

    #[test]
    fn never_and_nonsense_are_no_time() {
        for text in
            ["", "0001-01-01T00:00:00Z", "yesterday", "2026-11-03", "2026-13-01T00:00:00Z", "2026-11-03T08:15:30"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
