/** A member of the sandbox bank's staff. */
export interface StaffMember {
  /** `sub` of the tokens. */
  readonly id: string;
  readonly name: string;
  /** Value of the roles claim. */
  readonly role: 'viewer' | 'operator' | 'administrator';
}

/** The staff of the sandbox's bank: one member for each role that a person has. */
export const STAFF: readonly StaffMember[] = [
  { id: 'alice', name: 'Alice', role: 'administrator' },
  { id: 'bob', name: 'Bob', role: 'operator' },
  { id: 'carol', name: 'Carol', role: 'viewer' },
];
