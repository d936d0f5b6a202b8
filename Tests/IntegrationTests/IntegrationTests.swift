import Testing

/// Real processes, real sockets, a real store, and what happens to them. One story at a time: each fills the machine.
@Suite(.serialized) struct IntegrationTests {}
