//! The class-balanced order: what makes a prefix of a split balanced.

/// What `batch_draw` reads to draw balanced: three lists, one after another.
///
/// - For each position of the class_balanced_order order its place in the second list. That order takes the first sample of every
///   class, lower classes first, then the second of every class that has one, and so on: the classes of any prefix differ
///   by one sample at most, until one is used up.
/// - The samples sorted by class, and within a class by number.
/// - Where each class starts in the second list, and the end of the last one.
pub fn class_balanced_order(labels: &[u8]) -> Vec<u32> {
    let classes = labels.iter().max().map_or(0, |&most| usize::from(most) + 1);
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); classes];
    for (sample, &label) in labels.iter().enumerate() {
        members[usize::from(label)].push(sample as u32);
    }
    let mut starts = vec![0];
    for list in &members {
        starts.push(starts[starts.len() - 1] + list.len() as u32);
    }
    let mut table = Vec::with_capacity(2 * labels.len() + starts.len());
    let most = members.iter().map(Vec::len).max().unwrap_or(0);
    for round in 0..most {
        for (list, start) in members.iter().zip(&starts) {
            if round < list.len() {
                table.push(start + round as u32);
            }
        }
    }
    table.extend(members.iter().flatten());
    table.extend(starts);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_take_turns_until_they_are_used_up() {
        // Class 1 has no sample, class 3 has one.
        let table = class_balanced_order(&[2, 0, 2, 3, 0, 2]);
        let (order, rest) = table.split_at(6);
        let (sorted, starts) = rest.split_at(6);
        assert_eq!(sorted, [1, 4, 0, 2, 5, 3]);
        assert_eq!(starts, [0, 2, 2, 5, 6]);
        assert_eq!(order, [0, 2, 5, 1, 3, 4]);
        assert_eq!(class_balanced_order(&[]), [0]);
    }
}
