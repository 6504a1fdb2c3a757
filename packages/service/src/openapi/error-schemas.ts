import { Type } from 'typebox';

const closed = { additionalProperties: false };
const text = (maxLength: number, description: string) => Type.String({ minLength: 1, maxLength, description });

const id = Type.Optional(text(40, 'Reference of this occurrence: the x-fapi-interaction-id of the exchange'));
const path = Type.Optional(text(500, 'The field as a JSON path, such as Data.CallbackUrl, or the name of the header'));
const url = Type.Optional(Type.String({ description: 'Where to read more' }));

/** Error body of v4.0 (`OBErrorResponse1`), as `errorBody` of the protocol writes it. */
export const ErrorResponseV40 = Type.Object(
  {
    Id: id,
    Errors: Type.Array(
      Type.Object(
        {
          ErrorCode: Type.String({ minLength: 4, maxLength: 4, description: 'Such as U002' }),
          Message: Type.Optional(text(500, 'What is wrong')),
          Path: path,
          Url: url,
        },
        closed,
      ),
      { minItems: 1 },
    ),
  },
  closed,
);

/** Error body of v3.1 (`OBErrorResponse1` of v3), as `errorBody` of the protocol writes it. */
export const ErrorResponseV31 = Type.Object(
  {
    Code: text(40, 'The status in words, such as 400 BadRequest'),
    Id: id,
    Message: text(500, 'What is wrong'),
    Errors: Type.Array(
      Type.Object(
        {
          ErrorCode: text(128, 'Such as UK.OBIE.Field.Invalid'),
          Message: text(500, 'What is wrong'),
          Path: path,
          Url: url,
        },
        closed,
      ),
      { minItems: 1 },
    ),
  },
  closed,
);
