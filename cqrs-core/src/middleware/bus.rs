//! Handlers by the type of their message, within layers.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::Arc;

use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

use super::{Refusal, Request, Response, Route};
use crate::command_bus::InvalidBus;

/// A handler, with the layers within: what a layer wraps.
pub type BoxHandler = BoxCloneSyncService<Request, Response, BoxError>;

type Wrap = Box<dyn FnOnce(BoxHandler) -> BoxHandler + Send + Sync>;

/// A bus that is being put together.
#[derive(Default)]
pub(crate) struct Layered {
    routes: HashMap<TypeId, (Route, Vec<Wrap>)>,
    layers: Vec<Wrap>,
    refused: Option<InvalidBus>,
}

/// A bus. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Bus(BoxHandler);

impl Layered {
    pub(crate) fn route<T: 'static>(&mut self, route: Route) {
        let name = route.name;
        if self.routes.insert(TypeId::of::<T>(), (route, Vec::new())).is_some() {
            self.refused.get_or_insert(InvalidBus::RegisteredTwice { name });
        }
    }

    pub(crate) fn layer<L>(&mut self, layer: L)
    where
        L: Layer<BoxHandler> + Send + Sync + 'static,
        L::Service: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Error: Into<BoxError>,
        <L::Service as Service<Request>>::Future: Send,
    {
        self.layers.push(wrap(layer));
    }

    pub(crate) fn layer_for<T, L>(&mut self, name: &'static str, layer: L)
    where
        T: 'static,
        L: Layer<BoxHandler> + Send + Sync + 'static,
        L::Service: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Error: Into<BoxError>,
        <L::Service as Service<Request>>::Future: Send,
    {
        match self.routes.get_mut(&TypeId::of::<T>()) {
            Some((_, layers)) => layers.push(wrap(layer)),
            None => drop(self.refused.get_or_insert(InvalidBus::Unregistered { name })),
        }
    }

    pub(crate) fn build(self) -> Result<Bus, InvalidBus> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        let routes = self.routes.into_iter();
        let routes: HashMap<_, _> =
            routes.map(|(message, (route, layers))| (message, wrapped(route.service, layers))).collect();
        let routes = Arc::new(routes);
        let route = service_fn(move |request: Request| {
            let handler = routes.get(&request.message_type()).cloned();
            async move {
                match handler {
                    Some(handler) => handler.oneshot(request).await,
                    None => Err(BoxError::from(Refusal::Unregistered { name: request.name() })),
                }
            }
        });
        Ok(Bus(wrapped(BoxHandler::new(route), self.layers)))
    }
}

impl Bus {
    pub(crate) async fn call(&self, request: Request) -> Result<Response, BoxError> {
        self.0.clone().oneshot(request).await
    }
}

fn wrap<L>(layer: L) -> Wrap
where
    L: Layer<BoxHandler> + Send + Sync + 'static,
    L::Service: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
    <L::Service as Service<Request>>::Error: Into<BoxError>,
    <L::Service as Service<Request>>::Future: Send,
{
    Box::new(move |handler| {
        // Ready at once: what a layer waits for (a place among so many) counts for the timeouts around it.
        let handler = Arc::new(handler);
        let ready = BoxHandler::new(service_fn(move |request| BoxHandler::clone(&handler).oneshot(request)));
        BoxHandler::new(layer.layer(ready).map_err(Into::into))
    })
}

/// The first layer is the outermost.
fn wrapped(handler: BoxHandler, layers: Vec<Wrap>) -> BoxHandler {
    layers.into_iter().rev().fold(handler, |handler, wrap| wrap(handler))
}
