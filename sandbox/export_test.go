package sandbox

// EngineVersion is engineVersion.
const EngineVersion = engineVersion
