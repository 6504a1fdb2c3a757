// AWS Lambda behind a function URL, whose authorisation type is NONE, or an HTTP API of the API Gateway.
import { lambdaHandler } from '@tidings/tpp';
import { myReceiver } from './my-receiver.js';

export const handler = lambdaHandler(myReceiver());
