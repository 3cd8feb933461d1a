//! What must hold of every merge, whatever the values.

use proptest::collection::btree_map;
use proptest::prelude::*;

use super::*;

const POLICIES: [Policy; 4] = [Policy::Org, Policy::Local, Policy::Newest, Policy::Plugin];

/// Few fields and few values, so that equal and different ones meet often.
fn fields() -> impl Strategy<Value = Fields> {
    btree_map("[A-E]", value(), 0..5)
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        (0..4i64).prop_map(Value::int),
        "[xy]".prop_map(Value::Text)
    ]
}

fn policies() -> impl Strategy<Value = Vec<Policy>> {
    proptest::collection::vec(prop::sample::select(POLICIES.to_vec()), 5)
}

fn policy_of(policies: &[Policy]) -> impl Fn(&str) -> Policy {
    move |field| policies[usize::from(field.as_bytes()[0] - b'A')]
}

fn with(fields: &Fields, change: &Fields) -> Fields {
    let mut fields = fields.clone();
    fields.extend(change.clone());
    fields
}

/// The fields that have a value.
fn settled(fields: &Fields) -> Fields {
    let has_value = fields.iter().filter(|(_, value)| !value.is_null());
    has_value
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect()
}

proptest! {
    #[test]
    fn both_sides_become_equal_once_everything_was_exchanged(
        base in fields(), ours in fields(), theirs in fields(),
        policies in policies(), is_local_newer in any::<bool>(),
    ) {
        let (mut local, mut org) = (with(&base, &ours), with(&base, &theirs));
        let changed = pending(&org, &base);
        let merged = merge(&base, &local, &changed, policy_of(&policies), |_| is_local_newer);
        local.extend(merged.write);
        let mut to_send = pending(&local, &merged.base);
        // What nobody has decided waits; somebody decides for the org.
        for conflict in &merged.conflicts {
            if conflict.taken == Taken::Undecided {
                local.insert(conflict.field.clone(), conflict.incoming.clone());
                to_send.remove(&conflict.field);
            }
        }
        org.extend(to_send.clone());
        let agreed = with(&merged.base, &to_send);
        prop_assert_eq!(settled(&local), settled(&org));
        prop_assert_eq!(settled(&agreed), settled(&org));
    }

    #[test]
    fn no_value_is_invented_and_none_of_a_single_side_is_lost(
        base in fields(), ours in fields(), theirs in fields(),
        policies in policies(), is_local_newer in any::<bool>(),
    ) {
        let (local, org) = (with(&base, &ours), with(&base, &theirs));
        let changed = pending(&org, &base);
        let merged = merge(&base, &local, &changed, policy_of(&policies), |_| is_local_newer);
        let after = with(&local, &merged.write);
        for field in ["A", "B", "C", "D", "E"] {
            let (before, mine, other, now) =
                (of(&base, field), of(&local, field), of(&org, field), of(&after, field));
            prop_assert!(now == mine || now == other);
            if mine == before {
                prop_assert_eq!(now, other);
            }
            if other == before {
                prop_assert_eq!(now, mine);
            }
        }
    }

    #[test]
    fn conflicts_are_exactly_the_fields_that_both_changed_to_different_values(
        base in fields(), ours in fields(), theirs in fields(),
        policies in policies(), is_local_newer in any::<bool>(),
    ) {
        let (local, org) = (with(&base, &ours), with(&base, &theirs));
        let policy = policy_of(&policies);
        let merged = merge(&base, &local, &pending(&org, &base), &policy, |_| is_local_newer);
        for field in ["A", "B", "C", "D", "E"] {
            let (before, mine, other) = (of(&base, field), of(&local, field), of(&org, field));
            let is_conflict = mine != before && other != before && mine != other;
            let told = merged.conflicts.iter().find(|conflict| conflict.field == field);
            prop_assert_eq!(told.is_some(), is_conflict);
            let Some(told) = told else { continue };
            let wins = match policy(field) {
                Policy::Org => other,
                Policy::Local | Policy::Plugin => mine,
                Policy::Newest => if is_local_newer { mine } else { other },
            };
            let after = with(&local, &merged.write);
            prop_assert_eq!(of(&after, field), wins);
            prop_assert_eq!((&told.base, &told.local, &told.incoming), (before, mine, other));
        }
    }

    #[test]
    fn an_echo_changes_nothing(base in fields(), ours in fields(), policies in policies()) {
        let local = with(&base, &ours);
        // The org has what was sent, and tells it: whether the base knows or not.
        for base in [base, local.clone()] {
            let merged = merge(&base, &local, &local, policy_of(&policies), |_| false);
            prop_assert_eq!(&merged.write, &Fields::new());
            prop_assert_eq!(&merged.conflicts, &Vec::new());
            prop_assert_eq!(pending(&local, &merged.base), Fields::new());
        }
    }

    #[test]
    fn the_order_of_changes_of_different_fields_does_not_matter(
        base in fields(), ours in fields(), first in fields(), second in fields(),
        policies in policies(),
    ) {
        let second: Fields = second.into_iter().filter(|(field, _)| !first.contains_key(field)).collect();
        let run = |changes: [&Fields; 2]| {
            let (mut base, mut local) = (base.clone(), with(&base, &ours));
            let mut conflicts = Vec::new();
            for change in changes {
                let merged = merge(&base, &local, change, policy_of(&policies), |_| false);
                local.extend(merged.write);
                base = merged.base;
                conflicts.extend(merged.conflicts);
            }
            conflicts.sort_by(|one, other| one.field.cmp(&other.field));
            (base, local, conflicts)
        };
        prop_assert_eq!(run([&first, &second]), run([&second, &first]));
    }
}
