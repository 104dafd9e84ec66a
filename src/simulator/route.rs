//! What a request is, by its method and path. A path that is none of AXP's is answered with 404, another method than
//! those of the path with 405 and the right ones.

use hyper::Method;

use super::{operation::Operation, reply::Reply};

/// What a request is, with the parts of its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route<'a> {
    pub(super) operation: Operation,
    pub(super) account: &'a str,
    /// Id of the subscription or producer, empty where there is none.
    pub(super) id: &'a str,
    /// Locale of a dictionary, empty where there is none.
    pub(super) locale: &'a str,
}

/// What a path may be: methods with their operations, and the parts of the path.
struct Place<'a> {
    account: &'a str,
    operations: &'static [(Method, Operation)],
    id: &'a str,
    locale: &'a str,
}

impl<'a> Route<'a> {
    /// The route of a request.
    pub(super) fn of(method: &Method, path: &'a str) -> Result<Self, Reply> {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let place = place(&parts).ok_or_else(|| Reply::not_found(path))?;
        let found = place.operations.iter().find(|(wanted, _)| wanted == method);
        let Some((_, operation)) = found else {
            let allowed: Vec<&str> = place.operations.iter().map(|(method, _)| method.as_str()).collect();
            return Err(Reply::method_not_allowed(&allowed.join(", ")));
        };
        Ok(Self { operation: *operation, account: place.account, id: place.id, locale: place.locale })
    }
}

fn place<'a>(parts: &[&'a str]) -> Option<Place<'a>> {
    let (account, operations, id): (_, &'static [(Method, Operation)], _) = match parts {
        ["api", "auth", "v1", account, "protocol", "openid-connect", "token"] => {
            (account, &[(Method::POST, Operation::Token)], "")
        }
        ["api", "notification", "v1", "accounts", account, "subscriptions"] => {
            let operations = &[(Method::POST, Operation::Create), (Method::GET, Operation::List)];
            (account, operations, "")
        }
        ["api", "notification", "v1", "accounts", account, "subscriptions", id] => match id.split_once(':') {
            Some((id, "renew")) => (account, &[(Method::POST, Operation::Renew)], id),
            Some(_) => return None,
            None => {
                let operations = &[(Method::GET, Operation::Get), (Method::DELETE, Operation::Delete)];
                (account, operations, id)
            }
        },
        [
            "api",
            "analytics",
            "producer-management",
            "v1",
            "accounts",
            account,
            "measure-producers",
            rest @ ..,
        ] => {
            return producer_place(account, rest);
        }
        _ => return None,
    };
    Some(Place { account, operations, id, locale: "" })
}

/// The same for what follows `measure-producers`.
fn producer_place<'a>(account: &'a str, rest: &[&'a str]) -> Option<Place<'a>> {
    let (operations, id, locale): (&'static [(Method, Operation)], _, _) = match rest {
        [] => (&[(Method::GET, Operation::Producers)], "", ""),
        [id] => (&[(Method::GET, Operation::Producer)], *id, ""),
        [id, "locales"] => (&[(Method::GET, Operation::Locales)], *id, ""),
        [id, "dictionaries", locale] => (&[(Method::GET, Operation::Dictionary)], *id, *locale),
        _ => return None,
    };
    Some(Place { account, operations, id, locale })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_operation_and_another_method_is_told_which_are_allowed() {
        let base = "/api/notification/v1/accounts/EZCLTR/subscriptions";
        let renew = format!("{base}/abc:renew");
        let found = Route::of(&Method::POST, &renew).unwrap();
        assert_eq!((found.operation, found.account, found.id), (Operation::Renew, "EZCLTR", "abc"));
        let refused = Route::of(&Method::PUT, base).unwrap_err();
        assert_eq!(refused.status, 405);
        assert_eq!(refused.headers, [("allow".to_owned(), "POST, GET".to_owned())]);
        assert_eq!(Route::of(&Method::GET, "/").unwrap_err().status, 404);
    }
}
