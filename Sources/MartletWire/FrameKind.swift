/// What a frame is. Requests are below 128, their replies 128 above them; numbers are never reused.
package enum FrameKind: UInt8, Sendable, CaseIterable {
    // Both channels.
    case authenticate = 1
    // Clients.
    case ping = 16
    case openSession = 17
    case submit = 18
    case listJobs = 19
    case showJob = 20
    case listQueues = 21
    case listNodes = 22
    case changeDead = 23
    case awaitJob = 48
    // Control.
    case changeJobs = 32
    case listBulk = 33
    case setPause = 34
    case listPauses = 35
    case submitWorkflow = 49
    case openBatch = 50
    case closeBatch = 51
    case showBatch = 52
    case listBatches = 53
    case showWorkflow = 54
    case listWorkflows = 55
    // Nodes.
    case register = 64
    case fetch = 65
    case report = 66
    case control = 67

    case authenticated = 129
    case pong = 144
    case sessionOpened = 145
    case submitted = 146
    case jobList = 147
    case jobDetail = 148
    case queueList = 149
    case nodeList = 150
    case deadChanged = 151
    case jobEnded = 176
    case jobsChanged = 160
    case bulkList = 161
    case pauseSet = 162
    case pauseList = 163
    case batchDetail = 180
    case batchList = 181
    case workflowDetail = 182
    case workflowList = 183
    case registered = 192
    case delivery = 193
    case reportReply = 194
    case order = 195
    case error = 255
}
