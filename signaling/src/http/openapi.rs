//! The table as an OpenAPI 3.1 description: the same rows that are matched, so that nothing can be forgotten.

use super::route::Route;
use super::router::RouterConfig;
use serde_json::{Map, Value, json};

/// The description as JSON text.
pub(super) fn describe(config: &RouterConfig, routes: &[Route]) -> String {
    let mut paths = Map::new();
    for route in routes {
        let path = paths
            .entry(template(&route.path))
            .or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": config.title, "version": config.version},
        "paths": paths,
        "components": {
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["code", "message"],
                    "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
                },
            },
            "securitySchemes": {
                "credentials": {"type": "apiKey", "in": "header", "name": config.credentials},
            },
        },
    })
    .to_string()
}

fn operation(route: &Route) -> Value {
    let mut parameters: Vec<_> = names(&route.path)
        .map(|name| {
            json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
        })
        .collect();
    parameters.extend(route.query.iter().map(|field| {
        json!({
            "name": field.name, "in": "query", "required": false,
            "description": field.meaning, "schema": {"type": "string"},
        })
    }));
    let mut responses = Map::new();
    for answer in &route.answers {
        let status = answer.status;
        // One status may come for several reasons.
        let known = responses
            .entry(status.as_str())
            .or_insert_with(|| json!({}));
        known["description"] = match known["description"].as_str() {
            Some(before) => format!("{before}; {}", answer.meaning).into(),
            None => answer.meaning.as_str().into(),
        };
        if status.is_client_error() || status.is_server_error() {
            let schema = json!({"$ref": "#/components/schemas/Error"});
            known["content"] = json!({"application/json": {"schema": schema}});
        }
    }
    let mut operation = json!({
        "summary": route.summary, "parameters": parameters, "responses": responses,
    });
    if let Some((content_type, example)) = &route.takes {
        let example = serde_json::from_str(example).unwrap_or(Value::String(example.clone()));
        operation["requestBody"] =
            json!({"content": {content_type: {"example": example, "schema": {}}}});
    }
    if route.secured {
        operation["security"] = json!([{"credentials": []}]);
    }
    operation
}

/// The names in a path's template.
fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(name.strip_prefix('*').unwrap_or(name))
    })
}

/// OpenAPI has no parts that match several segments.
fn template(path: &str) -> String {
    path.replace("{*", "{")
}
