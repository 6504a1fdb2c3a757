// Made by `npm run generate` from the OpenAPI document of the operator API; not to be edited.

export interface paths {
    "/operator/v1/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["publishEvents"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/tpps": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listTpps"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/tpps/{clientId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getTpp"];
        put: operations["putTpp"];
        post?: never;
        delete: operations["removeTpp"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/tpps/import": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["importTpp"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/tpps/{clientId}/suspend": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["suspendTpp"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/tpps/{clientId}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["resumeTpp"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/tpps/{clientId}/callback-url/recover": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["recoverCallbackUrl"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/tpps/{clientId}/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getTppKeys"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/notifications": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["searchNotifications"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/notifications/{jti}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getNotification"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/notifications/{jti}/evidence": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getEvidence"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/redeliveries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["redeliver"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/withdrawals": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["withdraw"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getStatus"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/alerts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listAlerts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/alerts/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["testAlertDestination"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/instances": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listInstances"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/findings": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listFindings"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/configuration": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getConfiguration"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/certificates": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listCertificates"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/backups": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["backUp"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listAudit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/audit/archivable": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listArchivableAudit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/audit/drops": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["dropAudit"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/data-exports": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["exportData"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/erasures": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["erase"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/registrations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listRegistrations"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/tpps/{clientId}/registrations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getTppRegistrations"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/callback-urls": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listCallbackUrls"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/callback-urls/{clientId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getCallbackUrl"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/signing-keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listSigningKeys"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/signing-keys/{kid}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getSigningKey"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/signing-keys/reload": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["reloadSigningKeys"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/signing-keys/{kid}/rotate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["rotateSigningKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/signing-keys/{kid}/retire": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["retireSigningKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/livez": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["isAlive"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["isReady"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getMetrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["followStream"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/statistics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getStatistics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/statistics/tpps": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listTppStatistics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/openapi/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["showDocuments"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/openapi/tpp-facing.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getTppFacingDocument"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operator/v1/openapi/operator.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getOperatorDocument"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export interface components {
    schemas: {
        PublishedEvent: {
            id: string;
            clientId: string;
            /** Format: date-time */
            occurredAt: string;
            transactionId?: string;
            events: {
                type: string;
                reason?: string;
            }[];
            resource: {
                id: string;
                type: string;
                version: string;
                /** Format: uri */
                uri: string;
                links: {
                    version: string;
                    /** Format: uri */
                    link: string;
                }[];
            };
        };
        PublishBatch: components["schemas"]["PublishedEvent"][];
        CloudEvent: {
            /** @constant */
            specversion: "1.0";
            id: string;
            /** Format: uri-reference */
            source: string;
            type: string;
            /** Format: date-time */
            time: string;
            subject?: string;
            datacontenttype?: string;
            /** Format: uri */
            dataschema?: string;
            traceparent?: string;
            tracestate?: string;
            data: {
                clientId: string;
                transactionId?: string;
                resource: {
                    id?: string;
                    type: string;
                    version: string;
                    /** Format: uri */
                    uri: string;
                    links: {
                        version: string;
                        /** Format: uri */
                        link: string;
                    }[];
                };
                events?: {
                    type: string;
                    reason?: string;
                }[];
            };
        };
        CloudEventBatch: components["schemas"]["CloudEvent"][];
        PublishAnswer: {
            outcomes: ({
                id: string;
                /** @constant */
                outcome: "notification";
                jti: string;
                repeated: boolean;
            } | {
                id: string;
                /** @constant */
                outcome: "none";
                /** @enum {unknown} */
                reason: "unknown-client" | "no-registration" | "type-filtered" | "version-below-minimum";
                repeated: boolean;
            })[];
        };
        TppPage: {
            tpps: {
                clientId: string;
                organisationId: string;
                softwareStatementId: string;
                kids?: string[];
                /** Format: uri */
                jwksUrl?: string;
                /** Format: uri */
                revokedJwksUrl?: string;
                certificateSubject?: string;
                scopes?: ("accounts" | "payments" | "fundsconfirmations" | "eventpolling")[];
                retry?: {
                    delayMs?: number;
                    delayMaxMs?: number;
                    retriesMax?: number;
                    intervalMaxMs?: number;
                };
                isSuspended: boolean;
                /** @enum {unknown} */
                state: "healthy" | "failing" | "unresponsive" | "suspended" | "polling-only" | "no-registration";
                awaiting: number;
                isAtLeast: boolean;
                /** Format: date-time */
                oldestAwaitingAt?: string;
                target?: {
                    callbackUrl: string;
                    /** @enum {unknown} */
                    state: "healthy" | "failing" | "unresponsive";
                    failures: number;
                    /** Format: date-time */
                    failingSince?: string;
                    lastFailure?: {
                        /** Format: date-time */
                        at: string;
                        class: string;
                        status?: number;
                        code?: string;
                        err?: string;
                        description?: string;
                    };
                    /** Format: date-time */
                    lastAcknowledgedAt?: string;
                    /** Format: date-time */
                    unresponsiveSince?: string;
                    failedProbes?: number;
                    /** Format: date-time */
                    nextProbeAt?: string;
                    /** Format: date-time */
                    recoveredAt?: string;
                };
            }[];
            next?: string;
        };
        RegisteredTpp: {
            clientId: string;
            organisationId: string;
            softwareStatementId: string;
            jwks?: {
                keys: unknown[];
            };
            /** Format: uri */
            jwksUrl?: string;
            /** Format: uri */
            revokedJwksUrl?: string;
            certificateSubject?: string;
            scopes?: ("accounts" | "payments" | "fundsconfirmations" | "eventpolling")[];
            retry?: {
                delayMs?: number;
                delayMaxMs?: number;
                retriesMax?: number;
                intervalMaxMs?: number;
            };
            isSuspended: boolean;
            /** @enum {unknown} */
            state: "healthy" | "failing" | "unresponsive" | "suspended" | "polling-only" | "no-registration";
            awaiting: number;
            isAtLeast: boolean;
            /** Format: date-time */
            oldestAwaitingAt?: string;
            target?: {
                callbackUrl: string;
                /** @enum {unknown} */
                state: "healthy" | "failing" | "unresponsive";
                failures: number;
                /** Format: date-time */
                failingSince?: string;
                lastFailure?: {
                    /** Format: date-time */
                    at: string;
                    class: string;
                    status?: number;
                    code?: string;
                    err?: string;
                    description?: string;
                };
                /** Format: date-time */
                lastAcknowledgedAt?: string;
                /** Format: date-time */
                unresponsiveSince?: string;
                failedProbes?: number;
                /** Format: date-time */
                nextProbeAt?: string;
                /** Format: date-time */
                recoveredAt?: string;
            };
        };
        StatementToImport: {
            softwareStatement: string;
            clientId?: string;
            certificateSubject?: string;
            scopes?: ("accounts" | "payments" | "fundsconfirmations" | "eventpolling")[];
        };
        TppToRegister: {
            organisationId: string;
            softwareStatementId: string;
            jwks?: {
                keys: unknown[];
            };
            /** Format: uri */
            jwksUrl?: string;
            /** Format: uri */
            revokedJwksUrl?: string;
            certificateSubject?: string;
            scopes?: ("accounts" | "payments" | "fundsconfirmations" | "eventpolling")[];
            retry?: {
                delayMs?: number;
                delayMaxMs?: number;
                retriesMax?: number;
                intervalMaxMs?: number;
            };
        } & (unknown | unknown);
        Recover: {
            /** @enum {unknown} */
            how: "responsive" | "probe-now";
        };
        KeysOfTpp: {
            /** @enum {unknown} */
            from: "inline" | "url";
            keys: {
                kid?: string;
                /** @enum {unknown} */
                state: "usable" | "left-out" | "revoked";
                reason?: string;
            }[];
            certificates: {
                /** @enum {unknown} */
                use: "transport" | "signing";
                kid?: string;
                /** Format: date-time */
                lastSeenAt?: string;
                subject: string;
                /** Format: date-time */
                notAfter: string;
                fingerprint: string;
                /** @enum {unknown} */
                kind?: "OBWAC" | "OBSeal" | "QWAC" | "QSeal";
                organisationIdentifier?: string;
                pspRoles?: string[];
                authority?: string;
            }[];
            /** Format: date-time */
            fetchedAt?: string;
            /** Format: date-time */
            usableUntil?: string;
            lastFailure?: {
                /** Format: date-time */
                at: string;
                reason: string;
            };
            statement?: {
                /** Format: date-time */
                checkedAt: string;
                /** @enum {unknown} */
                outcome: "unchanged" | "changed" | "revoked" | "failed";
                reason?: string;
            };
            instance?: {
                id: string;
                host: string;
                processId: number;
            };
        };
        NotificationPage: {
            notifications: {
                jti: string;
                eventId: string;
                clientId: string;
                transactionId: string;
                resourceId?: string;
                eventTypes: string[];
                /** @enum {unknown} */
                state: "awaiting" | "acknowledged" | "withdrawn" | "expired";
                /** Format: date-time */
                publishedAt: string;
                /** Format: date-time */
                endedAt?: string;
                /** @enum {unknown} */
                acknowledgedBy?: "push" | "poll" | "offer";
                attempts: number;
                /** @enum {unknown} */
                lastOutcome?: "acknowledged" | "refused" | "unreachable";
                lastStatus?: number;
                lastErrorClass?: string;
            }[];
            next?: string;
        };
        ShownNotification: {
            jti: string;
            eventId: string;
            clientId: string;
            /** @enum {unknown} */
            state: "awaiting" | "acknowledged" | "withdrawn" | "expired";
            /** Format: date-time */
            publishedAt: string;
            /** Format: date-time */
            acknowledgedAt?: string;
            /** @enum {unknown} */
            acknowledgedBy?: "push" | "poll" | "offer";
            /** Format: date-time */
            nextAttemptAt?: string;
            transactionId: string;
            header?: Record<string, never>;
            claims: Record<string, never>;
            set?: string;
            attempts: {
                /** Format: date-time */
                startedAt: string;
                durationMs: number;
                interactionId: string;
                callbackUrl: string;
                /** @enum {unknown} */
                outcome: "acknowledged" | "refused" | "unreachable";
                status?: number;
                interactionIdEchoed?: boolean;
                interactionIdReturned?: string;
                retryAfterMs?: number;
                err?: string;
                description?: string;
                /** @enum {unknown} */
                errorClass?: "forbidden-address" | "dns" | "connect" | "tls" | "timeout" | "reset" | "malformed" | "oversized";
                detail?: string;
            }[];
            errors: {
                /** Format: date-time */
                reportedAt: string;
                err: string;
                description: string;
            }[];
        };
        Evidence: {
            /** @constant */
            format: "tidings-evidence";
            /** @constant */
            version: 1;
            /** Format: date-time */
            exportedAt: string;
            jti: string;
            eventId: string;
            clientId: string;
            issuer: string;
            organisationId: string;
            trustAnchor: string;
            /** @enum {unknown} */
            state: "awaiting" | "acknowledged" | "withdrawn" | "expired";
            /** Format: date-time */
            publishedAt: string;
            /** Format: date-time */
            acknowledgedAt?: string;
            /** @enum {unknown} */
            acknowledgedBy?: "push" | "poll" | "offer";
            /** Format: date-time */
            erasedAt?: string;
            set?: string;
            setSha256: string;
            attempts: {
                /** Format: date-time */
                startedAt: string;
                durationMs: number;
                interactionId: string;
                callbackUrl: string;
                /** @enum {unknown} */
                outcome: "acknowledged" | "refused" | "unreachable";
                status?: number;
                interactionIdEchoed?: boolean;
                interactionIdReturned?: string;
                retryAfterMs?: number;
                err?: string;
                description?: string;
                /** @enum {unknown} */
                errorClass?: "forbidden-address" | "dns" | "connect" | "tls" | "timeout" | "reset" | "malformed" | "oversized";
                detail?: string;
            }[];
            errors: {
                /** Format: date-time */
                reportedAt: string;
                err: string;
                description: string;
            }[];
            signingKey: {
                kid: string;
            };
        };
        RedeliveryRequest: {
            jtis?: string[];
            clientId?: string;
            /** Format: date-time */
            publishedFrom?: string;
            /** Format: date-time */
            publishedBefore?: string;
            /** @enum {unknown} */
            only?: "failed" | "awaiting";
            isDryRun?: boolean;
            ratePerSecond?: number;
            after?: string;
        };
        RedeliveryAnswer: {
            count: number;
            isDryRun: boolean;
            ratePerSecond: number;
            /** Format: date-time */
            lastDueAt?: string;
            heldBack: {
                clientId: string;
                /** @enum {unknown} */
                state: "unresponsive" | "suspended";
            }[];
            next?: string;
        };
        WithdrawalRequest: {
            jtis?: string[];
            clientId?: string;
            /** Format: date-time */
            publishedFrom?: string;
            /** Format: date-time */
            publishedBefore?: string;
            /** @enum {unknown} */
            only?: "failed";
            isDryRun?: boolean;
            after?: string;
        };
        WithdrawalAnswer: {
            count: number;
            isDryRun: boolean;
            next?: string;
        };
        Status: {
            awaiting: number;
            /** Format: date-time */
            oldestAwaitingAt?: string;
            tpps: {
                healthy: number;
                failing: number;
                unresponsive: number;
                suspended: number;
                "polling-only": number;
            };
            needsAttention: {
                clientId: string;
                callbackUrl: string;
                /** @enum {unknown} */
                state: "healthy" | "failing" | "unresponsive";
                failures: number;
                /** Format: date-time */
                failingSince?: string;
                lastFailure?: {
                    /** Format: date-time */
                    at: string;
                    class: string;
                    status?: number;
                    code?: string;
                    err?: string;
                    description?: string;
                };
                /** Format: date-time */
                lastAcknowledgedAt?: string;
                /** Format: date-time */
                unresponsiveSince?: string;
                failedProbes?: number;
                /** Format: date-time */
                nextProbeAt?: string;
                /** Format: date-time */
                recoveredAt?: string;
                awaiting: number;
                isAtLeast: boolean;
                /** Format: date-time */
                oldestAwaitingAt?: string;
            }[];
            signingKeyProblem?: string;
            /** @enum {unknown} */
            publishing: "open" | "closed";
            publishingClosedBecause?: string;
            intake?: {
                /** @constant */
                source: "kafka";
                topic: string;
                group: string;
                /** @enum {unknown} */
                state: "reading" | "waiting" | "disconnected";
                because?: string;
                lag?: number;
                /** Format: date-time */
                takenAt?: string;
            };
        };
        AlertPage: {
            alerts: {
                id: string;
                /** @enum {unknown} */
                kind: "tpp-failing" | "tpp-unresponsive" | "certificate-expires" | "tpp-certificate-expires" | "tpp-revoked" | "signing-key-expires" | "store-nearly-full" | "backlog" | "cannot-sign";
                /** @enum {unknown} */
                state: "open" | "over";
                subject: string;
                title: string;
                why: string;
                /** Format: date-time */
                since: string;
                /** Format: date-time */
                raisedAt: string;
                /** Format: date-time */
                clearedAt?: string;
                nextCommand: string;
                facts: {
                    [key: string]: string | number;
                };
                messages: {
                    destination: string;
                    /** @enum {unknown} */
                    kind: "tpp-failing" | "tpp-unresponsive" | "certificate-expires" | "tpp-certificate-expires" | "tpp-revoked" | "signing-key-expires" | "store-nearly-full" | "backlog" | "cannot-sign" | "recovered";
                    attempts: number;
                    /** Format: date-time */
                    sentAt?: string;
                    error?: string;
                }[];
            }[];
            destinations: {
                name: string;
                /** @enum {unknown} */
                type: "webhook" | "slack" | "email";
                kinds: ("tpp-failing" | "tpp-unresponsive" | "certificate-expires" | "tpp-certificate-expires" | "tpp-revoked" | "signing-key-expires" | "store-nearly-full" | "backlog" | "cannot-sign" | "recovered")[];
                unsent: number;
            }[];
            next?: string;
        };
        AlertTest: {
            destination: string;
        };
        AlertTestResult: {
            /** @enum {unknown} */
            outcome: "sent" | "failed";
            error?: string;
        };
        Instances: {
            instances: {
                id: string;
                host: string;
                processId: number;
                version: string;
                nodeVersion: string;
                /** Format: date-time */
                startedAt: string;
                /** Format: date-time */
                seenAt: string;
                /** @enum {unknown} */
                state: "running" | "gone";
                isThis: boolean;
            }[];
        };
        Findings: {
            isInspected: boolean;
            /** Format: date-time */
            inspectedAt?: string;
            findings: {
                check: string;
                /** @enum {unknown} */
                severity: "ok" | "warning" | "error";
                what: string;
                remedy?: string;
            }[];
        };
        Configuration: {
            settings: {
                setting: string;
                value: unknown;
                /** @enum {unknown} */
                source?: "file" | "reference" | "environment" | "default";
                from?: string;
            }[];
        };
        Certificates: {
            certificates: {
                setting: string;
                subject: string;
                /** Format: date-time */
                notAfter: string;
                /** @enum {unknown} */
                kind?: "OBWAC" | "OBSeal" | "QWAC" | "QSeal";
                organisationIdentifier?: string;
                pspRoles?: string[];
                authority?: string;
            }[];
        };
        AuditPage: {
            entries: {
                id: string;
                /** Format: date-time */
                at: string;
                actor: string;
                role?: string;
                /** @enum {unknown} */
                authenticatedBy?: "token" | "oidc" | "access-token" | "service";
                from?: string;
                action: string;
                subject: string;
                detail: Record<string, never>;
                before?: Record<string, never>;
                after?: Record<string, never>;
            }[];
            next?: string;
        };
        ArchivableAudit: {
            entries: {
                id: string;
                /** Format: date-time */
                at: string;
                actor: string;
                role?: string;
                /** @enum {unknown} */
                authenticatedBy?: "token" | "oidc" | "access-token" | "service";
                from?: string;
                action: string;
                subject: string;
                detail: Record<string, never>;
                before?: Record<string, never>;
                after?: Record<string, never>;
            }[];
            next?: string;
        };
        AuditDropRequest: {
            ids: string[];
            /** Format: date-time */
            before: string;
            sha256: string;
            archiveSha256: string;
        };
        AuditDropAnswer: {
            count: number;
        };
        DataExportRequest: {
            clientId?: string;
            resourceId?: string;
        };
        ErasureRequest: {
            clientId?: string;
            resourceId?: string;
            /** @enum {unknown} */
            undelivered?: "expire";
            isDryRun?: boolean;
            after?: string;
        };
        ErasureAnswer: {
            count: number;
            expired: number;
            awaiting: number;
            isDryRun: boolean;
            next?: string;
        };
        RegistrationPage: {
            registrations: {
                clientId: string;
                /** @enum {unknown} */
                kind: "event-subscription" | "callback-url";
                id: string;
                /** @enum {unknown} */
                state: "healthy" | "failing" | "unresponsive" | "suspended" | "polling-only" | "superseded";
                callbackUrl?: string;
                version: string;
                eventTypes?: string[];
                /** @enum {unknown} */
                apiVersion: "v3.1" | "v4.0";
                /** Format: date-time */
                unresponsiveSince?: string;
                target?: {
                    callbackUrl: string;
                    /** @enum {unknown} */
                    state: "healthy" | "failing" | "unresponsive";
                    failures: number;
                    /** Format: date-time */
                    failingSince?: string;
                    lastFailure?: {
                        /** Format: date-time */
                        at: string;
                        class: string;
                        status?: number;
                        code?: string;
                        err?: string;
                        description?: string;
                    };
                    /** Format: date-time */
                    lastAcknowledgedAt?: string;
                    /** Format: date-time */
                    unresponsiveSince?: string;
                    failedProbes?: number;
                    /** Format: date-time */
                    nextProbeAt?: string;
                    /** Format: date-time */
                    recoveredAt?: string;
                };
            }[];
            next?: string;
        };
        TppRegistrations: {
            /** @enum {unknown} */
            effective?: "event-subscription" | "callback-url";
            eventSubscription?: {
                eventSubscriptionId: string;
                callbackUrl?: string;
                version: string;
                eventTypes?: string[];
                /** @enum {unknown} */
                apiVersion: "v3.1" | "v4.0";
                /** Format: date-time */
                unresponsiveSince?: string;
            };
            callbackUrl?: {
                callbackUrlId: string;
                url: string;
                version: string;
                /** @enum {unknown} */
                apiVersion: "v3.1" | "v4.0";
                /** Format: date-time */
                unresponsiveSince?: string;
            };
        };
        CallbackUrlPage: {
            callbackUrls: {
                clientId: string;
                callbackUrl: string;
                /** @enum {unknown} */
                state: "healthy" | "failing" | "unresponsive";
                failures: number;
                /** Format: date-time */
                failingSince?: string;
                lastFailure?: {
                    /** Format: date-time */
                    at: string;
                    class: string;
                    status?: number;
                    code?: string;
                    err?: string;
                    description?: string;
                };
                /** Format: date-time */
                lastAcknowledgedAt?: string;
                /** Format: date-time */
                unresponsiveSince?: string;
                failedProbes?: number;
                /** Format: date-time */
                nextProbeAt?: string;
                /** Format: date-time */
                recoveredAt?: string;
                awaiting: number;
                isAtLeast: boolean;
                /** Format: date-time */
                oldestAwaitingAt?: string;
                /** Format: date-time */
                nextAttemptAt?: string;
                breaker?: {
                    /** @enum {unknown} */
                    state: "closed" | "open" | "trial";
                    /** Format: date-time */
                    pausedUntil?: string;
                };
                lastOutcomes: {
                    jti: string;
                    /** Format: date-time */
                    startedAt: string;
                    durationMs: number;
                    interactionId: string;
                    callbackUrl: string;
                    /** @enum {unknown} */
                    outcome: "acknowledged" | "refused" | "unreachable";
                    status?: number;
                    interactionIdEchoed?: boolean;
                    interactionIdReturned?: string;
                    retryAfterMs?: number;
                    err?: string;
                    description?: string;
                    /** @enum {unknown} */
                    errorClass?: "forbidden-address" | "dns" | "connect" | "tls" | "timeout" | "reset" | "malformed" | "oversized";
                    detail?: string;
                    instance: string;
                }[];
            }[];
            next?: string;
        };
        CallbackUrlHealth: {
            clientId: string;
            callbackUrl: string;
            /** @enum {unknown} */
            state: "healthy" | "failing" | "unresponsive";
            failures: number;
            /** Format: date-time */
            failingSince?: string;
            lastFailure?: {
                /** Format: date-time */
                at: string;
                class: string;
                status?: number;
                code?: string;
                err?: string;
                description?: string;
            };
            /** Format: date-time */
            lastAcknowledgedAt?: string;
            /** Format: date-time */
            unresponsiveSince?: string;
            failedProbes?: number;
            /** Format: date-time */
            nextProbeAt?: string;
            /** Format: date-time */
            recoveredAt?: string;
            awaiting: number;
            isAtLeast: boolean;
            /** Format: date-time */
            oldestAwaitingAt?: string;
            /** Format: date-time */
            nextAttemptAt?: string;
            breaker?: {
                /** @enum {unknown} */
                state: "closed" | "open" | "trial";
                /** Format: date-time */
                pausedUntil?: string;
            };
            lastOutcomes: {
                jti: string;
                /** Format: date-time */
                startedAt: string;
                durationMs: number;
                interactionId: string;
                callbackUrl: string;
                /** @enum {unknown} */
                outcome: "acknowledged" | "refused" | "unreachable";
                status?: number;
                interactionIdEchoed?: boolean;
                interactionIdReturned?: string;
                retryAfterMs?: number;
                err?: string;
                description?: string;
                /** @enum {unknown} */
                errorClass?: "forbidden-address" | "dns" | "connect" | "tls" | "timeout" | "reset" | "malformed" | "oversized";
                detail?: string;
                instance: string;
            }[];
        };
        SigningKeyList: {
            keys: {
                kid: string;
                thumbprint: string;
                algorithm: string;
                /** @enum {unknown} */
                state: "next" | "current" | "former" | "withdrawn";
                /** Format: date-time */
                since?: string;
                /** Format: date-time */
                rotatableFrom?: string;
                /** Format: date-time */
                retiredAt?: string;
                /** Format: date-time */
                stillUsedAt?: string;
                isPublished: boolean;
                /** Format: date-time */
                publishedUntil?: string;
                dependents: {
                    awaiting: number;
                    isAtLeast: boolean;
                    oldest?: {
                        jti: string;
                        /** Format: date-time */
                        publishedAt: string;
                    };
                    evidence: boolean;
                };
            }[];
            thisInstance: {
                signsWith?: string;
                holds: string[];
                problem?: string;
            };
        };
        ShownSigningKey: {
            kid: string;
            thumbprint: string;
            algorithm: string;
            /** @enum {unknown} */
            state: "next" | "current" | "former" | "withdrawn";
            /** Format: date-time */
            since?: string;
            /** Format: date-time */
            rotatableFrom?: string;
            /** Format: date-time */
            retiredAt?: string;
            /** Format: date-time */
            stillUsedAt?: string;
            isPublished: boolean;
            /** Format: date-time */
            publishedUntil?: string;
            dependents: {
                awaiting: number;
                isAtLeast: boolean;
                oldest?: {
                    jti: string;
                    /** Format: date-time */
                    publishedAt: string;
                };
                evidence: boolean;
            };
        };
        ReloadedKey: {
            kid: string;
            changed: boolean;
            announced?: string;
        };
        KeyChange: {
            force?: boolean;
        };
        Liveness: {
            /** @constant */
            status: "alive";
        };
        Readiness: {
            /** @enum {unknown} */
            status: "ready" | "not-ready";
            because: string[];
        };
        StreamedActivity: {
            /** @enum {unknown} */
            kind: "accepted" | "attempted" | "acknowledged" | "reported-error" | "failing" | "unresponsive" | "recovered" | "redelivered" | "withdrawn" | "expired" | "missed";
            /** Format: date-time */
            at: string;
            clientId?: string;
            jti?: string;
            eventId?: string;
            eventTypes?: string[];
            attempt?: number;
            outcome?: string;
            status?: number;
            errorClass?: string;
            durationMs?: number;
            by?: string;
            afterMs?: number;
            err?: string;
            count?: number;
        };
        StatisticsAnswer: {
            /** @enum {unknown} */
            resolution: "minute" | "hour";
            /** Format: date-time */
            from: string;
            /** Format: date-time */
            before: string;
            clientId?: string;
            totals: {
                accepted: number;
                repeated: number;
                withoutNotification: {
                    "unknown-client"?: number;
                    "no-registration"?: number;
                    "type-filtered"?: number;
                    "version-below-minimum"?: number;
                };
                attempts: {
                    acknowledged?: number;
                    "refused-410"?: number;
                    "refused-429"?: number;
                    "refused-4xx"?: number;
                    "refused-5xx"?: number;
                    "refused-other"?: number;
                    "unreachable-dns"?: number;
                    "unreachable-forbidden-address"?: number;
                    "unreachable-connect"?: number;
                    "unreachable-tls"?: number;
                    "unreachable-timeout"?: number;
                    "unreachable-reset"?: number;
                    "unreachable-oversized"?: number;
                    "unreachable-malformed"?: number;
                };
                acknowledged: {
                    push?: number;
                    poll?: number;
                    offer?: number;
                };
                reportedErrors: number;
                becameUnresponsive: number;
                recovered: number;
                latencyMs?: {
                    p50: number;
                    p90: number;
                    p99: number;
                };
            };
            buckets: {
                /** Format: date-time */
                beganAt: string;
                accepted: number;
                repeated: number;
                withoutNotification: {
                    "unknown-client"?: number;
                    "no-registration"?: number;
                    "type-filtered"?: number;
                    "version-below-minimum"?: number;
                };
                attempts: {
                    acknowledged?: number;
                    "refused-410"?: number;
                    "refused-429"?: number;
                    "refused-4xx"?: number;
                    "refused-5xx"?: number;
                    "refused-other"?: number;
                    "unreachable-dns"?: number;
                    "unreachable-forbidden-address"?: number;
                    "unreachable-connect"?: number;
                    "unreachable-tls"?: number;
                    "unreachable-timeout"?: number;
                    "unreachable-reset"?: number;
                    "unreachable-oversized"?: number;
                    "unreachable-malformed"?: number;
                };
                acknowledged: {
                    push?: number;
                    poll?: number;
                    offer?: number;
                };
                reportedErrors: number;
                becameUnresponsive: number;
                recovered: number;
                latencyMs?: {
                    p50: number;
                    p90: number;
                    p99: number;
                };
            }[];
        };
        TppStatistics: {
            /** Format: date-time */
            from: string;
            /** Format: date-time */
            before: string;
            tpps: {
                clientId: string;
                accepted: number;
                acknowledged: number;
                attempts: number;
                attemptsAcknowledged: number;
            }[];
            next?: string;
        };
        ProblemDetails: {
            type: string;
            title: string;
            status: number;
            detail: string;
            field?: string;
        };
    };
    responses: {
        Problem400: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["ProblemDetails"];
            };
        };
        Problem401: {
            headers: {
                "www-authenticate"?: string;
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["ProblemDetails"];
            };
        };
        Problem403: {
            headers: {
                "www-authenticate"?: string;
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["ProblemDetails"];
            };
        };
        Problem404: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["ProblemDetails"];
            };
        };
        Problem409: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["ProblemDetails"];
            };
        };
        Problem410: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["ProblemDetails"];
            };
        };
        Problem412: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["ProblemDetails"];
            };
        };
        Problem413: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["ProblemDetails"];
            };
        };
        Problem415: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["ProblemDetails"];
            };
        };
        Problem429: {
            headers: {
                "retry-after"?: number;
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["ProblemDetails"];
            };
        };
        Problem500: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["ProblemDetails"];
            };
        };
        Problem501: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["ProblemDetails"];
            };
        };
        Problem503: {
            headers: {
                "retry-after"?: number;
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["ProblemDetails"];
            };
        };
    };
    parameters: {
        clientId: string;
        jti: string;
        kid: string;
    };
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    publishEvents: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PublishedEvent"] | components["schemas"]["PublishBatch"];
                "application/cloudevents+json": components["schemas"]["CloudEvent"];
                "application/cloudevents-batch+json": components["schemas"]["CloudEventBatch"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PublishAnswer"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            429: components["responses"]["Problem429"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    listTpps: {
        parameters: {
            query?: {
                needsAttention?: boolean;
                after?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TppPage"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    getTpp: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                clientId: components["parameters"]["clientId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    etag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RegisteredTpp"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    putTpp: {
        parameters: {
            query?: never;
            header?: {
                "if-match"?: string;
                "if-none-match"?: string;
            };
            path: {
                clientId: components["parameters"]["clientId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TppToRegister"];
            };
        };
        responses: {
            204: {
                headers: {
                    etag?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            412: components["responses"]["Problem412"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    removeTpp: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                clientId: components["parameters"]["clientId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    importTpp: {
        parameters: {
            query?: {
                clientId?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["StatementToImport"];
                "application/jwt": string;
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RegisteredTpp"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            500: components["responses"]["Problem500"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    suspendTpp: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                clientId: components["parameters"]["clientId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RegisteredTpp"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    resumeTpp: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                clientId: components["parameters"]["clientId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RegisteredTpp"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    recoverCallbackUrl: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                clientId: components["parameters"]["clientId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Recover"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RegisteredTpp"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    getTppKeys: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                clientId: components["parameters"]["clientId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KeysOfTpp"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            500: components["responses"]["Problem500"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    searchNotifications: {
        parameters: {
            query?: {
                jti?: string;
                eventId?: string;
                transactionId?: string;
                resourceId?: string;
                clientId?: string;
                eventType?: string;
                state?: "awaiting" | "acknowledged" | "withdrawn" | "expired" | "failed";
                publishedFrom?: string;
                publishedBefore?: string;
                after?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NotificationPage"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    getNotification: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                jti: components["parameters"]["jti"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownNotification"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            410: components["responses"]["Problem410"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    getEvidence: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                jti: components["parameters"]["jti"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Evidence"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    redeliver: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RedeliveryRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RedeliveryAnswer"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            429: components["responses"]["Problem429"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    withdraw: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WithdrawalRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WithdrawalAnswer"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    getStatus: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Status"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    listAlerts: {
        parameters: {
            query?: {
                state?: "open" | "over";
                before?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertPage"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    testAlertDestination: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AlertTest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertTestResult"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    listInstances: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Instances"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    listFindings: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Findings"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    getConfiguration: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Configuration"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    listCertificates: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Certificates"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    backUp: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.sqlite3": string;
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            429: components["responses"]["Problem429"];
            500: components["responses"]["Problem500"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    listAudit: {
        parameters: {
            query?: {
                actor?: string;
                action?: string;
                subject?: string;
                from?: string;
                before?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuditPage"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    listArchivableAudit: {
        parameters: {
            query: {
                before: string;
                after?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ArchivableAudit"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    dropAudit: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AuditDropRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuditDropAnswer"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    exportData: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DataExportRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": string;
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            429: components["responses"]["Problem429"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    erase: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ErasureRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErasureAnswer"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            429: components["responses"]["Problem429"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    listRegistrations: {
        parameters: {
            query?: {
                apiVersion?: "v3.1" | "v4.0";
                version?: string;
                eventType?: string;
                state?: "healthy" | "failing" | "unresponsive" | "suspended" | "polling-only" | "superseded";
                after?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RegistrationPage"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    getTppRegistrations: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                clientId: components["parameters"]["clientId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TppRegistrations"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    listCallbackUrls: {
        parameters: {
            query?: {
                state?: "healthy" | "failing" | "unresponsive";
                needsAttention?: boolean;
                after?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CallbackUrlPage"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    getCallbackUrl: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                clientId: components["parameters"]["clientId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CallbackUrlHealth"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    listSigningKeys: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SigningKeyList"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            500: components["responses"]["Problem500"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    getSigningKey: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                kid: components["parameters"]["kid"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownSigningKey"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    reloadSigningKeys: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReloadedKey"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            500: components["responses"]["Problem500"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    rotateSigningKey: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                kid: components["parameters"]["kid"];
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["KeyChange"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownSigningKey"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            500: components["responses"]["Problem500"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    retireSigningKey: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                kid: components["parameters"]["kid"];
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["KeyChange"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownSigningKey"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            500: components["responses"]["Problem500"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    isAlive: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Liveness"];
                };
            };
            400: components["responses"]["Problem400"];
        };
    };
    isReady: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                };
            };
            400: components["responses"]["Problem400"];
            500: components["responses"]["Problem500"];
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                };
            };
        };
    };
    getMetrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            500: components["responses"]["Problem500"];
            503: components["responses"]["Problem503"];
        };
    };
    followStream: {
        parameters: {
            query?: {
                clientId?: string;
                kind?: string;
                after?: string;
                since?: string;
            };
            header?: {
                "last-event-id"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            429: components["responses"]["Problem429"];
            500: components["responses"]["Problem500"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    getStatistics: {
        parameters: {
            query?: {
                resolution?: "minute" | "hour";
                from?: string;
                before?: string;
                clientId?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StatisticsAnswer"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            500: components["responses"]["Problem500"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    listTppStatistics: {
        parameters: {
            query?: {
                after?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TppStatistics"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            500: components["responses"]["Problem500"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    showDocuments: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/html": string;
                };
            };
            400: components["responses"]["Problem400"];
        };
    };
    getTppFacingDocument: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            400: components["responses"]["Problem400"];
        };
    };
    getOperatorDocument: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            400: components["responses"]["Problem400"];
        };
    };
}
