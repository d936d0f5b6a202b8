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
    // Schedules.
    case putSchedule = 52
    case listSchedules = 53
    case showSchedule = 54
    case changeSchedule = 55
    case runSchedule = 56
    // Control.
    case changeJobs = 32
    case listBulk = 33
    case setPause = 34
    case listPauses = 35
    // Services.
    case setService = 36
    case listServices = 37
    case explainJob = 38
    case explainQueue = 39
    case submitWorkflow = 49
    case openBatch = 50
    case closeBatch = 51
    case showBatch = 57
    case listBatches = 58
    case showWorkflow = 59
    case listWorkflows = 60
    // Nodes.
    case register = 64
    case fetch = 65
    case report = 66
    case control = 67
    case acquire = 68

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
    case serviceSet = 164
    case serviceList = 165
    case jobExplained = 166
    case queueExplained = 167
    case schedulePut = 180
    case scheduleList = 181
    case scheduleDetail = 182
    case scheduleChanged = 183
    case scheduleRan = 184
    case batchDetail = 185
    case batchList = 186
    case workflowDetail = 187
    case workflowList = 188
    case registered = 192
    case delivery = 193
    case reportReply = 194
    case order = 195
    case acquired = 196
    case error = 255
}
