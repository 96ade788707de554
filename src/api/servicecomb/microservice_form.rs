//! Makes a microservice of the body that registers one: defaults filled in, every field checked.

use super::error::ApiError;
use super::json::Object;
use super::validate as rules;
use crate::model::{Framework, Microservice, Properties, ServicePath};

/// Reads the object `service`. Its id is the caller's, if any; its timestamps are left to the registry.
///
/// # Errors
/// 400001 with the name of the first field that is not acceptable.
pub fn read(service: &Object<'_>, max_schemas: usize) -> Result<Microservice, ApiError> {
    let or = |value: String, default: &str| if value.is_empty() { default.to_owned() } else { value };
    let version = or(service.text("version")?, "0.0.1");
    rules::VERSION.check(service.path("version"), &version)?;
    Ok(Microservice {
        service_id: service.checked_text("serviceId", rules::NEW_SERVICE_ID)?,
        environment: service.checked_text("environment", rules::ENVIRONMENT)?,
        app_id: or(service.checked_text("appId", rules::NEW_APP_ID)?, "default"),
        service_name: service.checked_text("serviceName", rules::NEW_SERVICE_NAME)?,
        version,
        description: service.checked_text("description", rules::DESCRIPTION)?,
        level: or(service.checked_text("level", rules::LEVEL)?, "BACK"),
        register_by: service.checked_text("registerBy", rules::REGISTER_BY)?,
        schemas: schemas(service, max_schemas)?,
        paths: paths(service)?,
        status: or(service.checked_text("status", rules::SERVICE_STATUS)?, "UP"),
        properties: service.pairs("properties")?,
        alias: service.checked_text("alias", rules::ALIAS)?,
        load_balance_strategy: service.pairs("LBStrategy")?,
        framework: framework(service)?,
        timestamp: String::new(),
        mod_timestamp: String::new(),
    })
}

fn schemas(service: &Object<'_>, most: usize) -> Result<Vec<String>, ApiError> {
    let schemas = service.texts("schemas")?;
    rules::check_length(service.path("schemas"), schemas.len(), most)?;
    for (index, schema) in schemas.iter().enumerate() {
        rules::SCHEMA_ID.check(format_args!("{}[{index}]", service.path("schemas")), schema)?;
    }
    Ok(schemas)
}

fn paths(service: &Object<'_>) -> Result<Vec<ServicePath>, ApiError> {
    service
        .objects("paths")?
        .iter()
        .map(|entry| {
            Ok(ServicePath {
                path: entry.checked_text("path", rules::PATH)?,
                property: entry.pairs("property")?,
            })
        })
        .collect()
}

fn framework(service: &Object<'_>) -> Result<Option<Framework>, ApiError> {
    let Some(framework) = service.object("framework")? else { return Ok(None) };
    Ok(Some(Framework {
        name: framework.checked_text("name", rules::FRAMEWORK_NAME)?,
        version: framework.checked_text("version", rules::FRAMEWORK_VERSION)?,
    }))
}

/// Checks the tags of a microservice.
///
/// # Errors
/// 400001 with the name of the first tag that is not acceptable.
pub fn check_tags(tags: &Properties, most: usize) -> Result<(), ApiError> {
    rules::check_length("tags", tags.len(), most)?;
    for (key, value) in tags {
        rules::TAG.check("tags (a key)", key)?;
        rules::TAG.check(format_args!("tags.{key}"), value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(service: Value) -> Result<Microservice, ApiError> {
        let body = json!({ "service": service });
        read(&Object::root(&body)?.required_object("service")?, 100)
    }

    #[test]
    fn every_field_of_a_microservice_is_taken() {
        let service = parse(json!({
            "serviceId": "own", "environment": "production", "appId": "shop", "serviceName": "cart",
            "version": "1.2.0", "description": "a cart", "level": "MIDDLE", "registerBy": "SDK",
            "schemas": ["cart-api"], "paths": [{"Path": "/cart", "Property": {"Auth": "none"}}], "status": "DOWN",
            "properties": {"Team": "blue"}, "alias": "shop:cart", "LBStrategy": {"type": "random"},
            "framework": {"name": "JavaChassis", "version": "3.1"}, "timestamp": "1", "modTimestamp": 1, "unknown": []
        }))
        .unwrap();
        let expected = Microservice {
            service_id: "own".into(),
            environment: "production".into(),
            app_id: "shop".into(),
            service_name: "cart".into(),
            version: "1.2.0".into(),
            description: "a cart".into(),
            level: "MIDDLE".into(),
            register_by: "SDK".into(),
            schemas: vec!["cart-api".into()],
            paths: vec![ServicePath {
                path: "/cart".into(),
                property: Properties::from([("Auth".into(), "none".into())]),
            }],
            status: "DOWN".into(),
            properties: Properties::from([("Team".into(), "blue".into())]),
            alias: "shop:cart".into(),
            load_balance_strategy: Properties::from([("type".into(), "random".into())]),
            framework: Some(Framework { name: "JavaChassis".into(), version: "3.1".into() }),
            ..Microservice::default()
        };
        assert_eq!(service, expected);
    }

    #[test]
    fn a_name_is_enough_and_null_stands_for_every_other_field() {
        let expected = Microservice {
            app_id: "default".into(),
            service_name: "cart".into(),
            version: "0.0.1".into(),
            level: "BACK".into(),
            status: "UP".into(),
            ..Microservice::default()
        };
        assert_eq!(parse(json!({"serviceName": "cart"})).unwrap(), expected);
        let nulls = json!({"serviceId": null, "environment": null, "appId": null, "serviceName": "cart",
            "version": null, "description": null, "level": null, "registerBy": null, "schemas": null, "paths": null,
            "status": null, "properties": null, "alias": null, "LBStrategy": null, "framework": null,
            "timestamp": null, "modTimestamp": null});
        assert_eq!(parse(nulls).unwrap(), expected);
    }

    #[test]
    fn a_listed_microservice_reads_like_the_reference_and_can_be_registered() {
        let listed = json!({"serviceId": "8aed80ea052ac04a64dfc79c24f2170224d074f5", "appId": "default",
            "serviceName": "test", "version": "1.0.0", "description": "this is a test", "level": "BACK",
            "status": "UP", "timestamp": "1650543950", "modTimestamp": "1650543950"});
        let read: Microservice = serde_json::from_value(listed.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), listed);
        let registered = parse(listed).unwrap();
        assert_eq!(
            registered,
            Microservice { timestamp: String::new(), mod_timestamp: String::new(), ..read }
        );
    }

    #[test]
    fn a_refusal_names_the_field() {
        let long = "a".repeat(129);
        let table = [
            (json!({}), "service.serviceName: "),
            (json!({"serviceName": long}), "service.serviceName: "),
            (json!({"serviceName": "a", "appId": "_"}), "service.appId: "),
            (json!({"serviceName": "a", "version": "1.x"}), "service.version: "),
            (json!({"serviceName": "a", "environment": "prod"}), "service.environment: "),
            (json!({"serviceName": "a", "level": "LOW"}), "service.level: "),
            (json!({"serviceName": "a", "status": "OFF"}), "service.status: "),
            (json!({"serviceName": "a", "registerBy": "ME"}), "service.registerBy: "),
            (json!({"serviceName": "a", "schemas": ["ok", ""]}), "service.schemas[1]: "),
            (json!({"serviceName": "a", "schemas": vec!["s"; 101]}), "service.schemas: "),
            (json!({"serviceName": "a", "paths": [{"path": "a b"}]}), "service.paths[0].path: "),
            (json!({"serviceName": "a", "alias": "a b"}), "service.alias: "),
            (json!({"serviceName": "a", "serviceId": "a b"}), "service.serviceId: "),
            (json!({"serviceName": "a", "description": "d".repeat(257)}), "service.description: "),
            (json!({"serviceName": "a", "framework": {"name": "-"}}), "service.framework.name: "),
            (
                json!({"serviceName": "a", "framework": {"version": "v".repeat(65)}}),
                "service.framework.version: ",
            ),
            (json!({"serviceName": 1}), "Unmarshal error: service.serviceName: "),
            (json!(null), "service: must not be null"),
        ];
        for (service, detail) in table {
            let error = parse(service.clone()).unwrap_err();
            assert!(error.detail.starts_with(detail), "{service}: {error}");
        }
        assert!(parse(json!({"serviceName": "a", "schemas": vec!["s"; 100]})).is_ok());
    }

    #[test]
    fn tags_are_checked_by_key_value_and_number() {
        let tags = |pairs: &[(&str, &str)]| -> Properties {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        assert!(check_tags(&tags(&[("region", "north-1")]), 100).is_ok());
        assert!(check_tags(&tags(&[("1", "a")]), 100).unwrap_err().detail.starts_with("tags (a key): "));
        assert!(check_tags(&tags(&[("a", "")]), 100).unwrap_err().detail.starts_with("tags.a: "));
        let many = |count: usize| (0..count).map(|index| (format!("t{index}"), "v".to_owned())).collect();
        assert!(check_tags(&many(100), 100).is_ok());
        assert!(check_tags(&many(101), 100).is_err());
    }
}
